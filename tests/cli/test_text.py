"""Tests of the demonstration's text and its form as pattern_data."""

from __future__ import annotations

import hashlib
from collections import Counter
from importlib.resources import files

import pytest

from kato_compat.cli.text import FILE, SOURCE, events, sentences

FIRST = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife."
)


def test_first_and_last_sentence_are_the_novels() -> None:
    text = list(sentences())
    assert text[0] == FIRST
    assert text[-1].endswith("had been the means of uniting them.")


def test_text_is_the_one_that_source_md_describes() -> None:
    text = list(sentences())
    unpacked = "".join(f"{sentence}\n" for sentence in text).encode()
    record = (files("kato_compat") / "cli" / "data" / "SOURCE.md").read_text(encoding="utf-8")
    assert f"`{hashlib.sha256(unpacked).hexdigest()}`" in record
    assert f"{len(text):,} lines, {len(unpacked):,} bytes" in record
    assert record.startswith(f"# {FILE}\n")


def test_credit_is_one_line_and_names_author_and_work() -> None:
    assert "Jane Austen" in SOURCE
    assert "Pride and Prejudice" in SOURCE
    assert SOURCE.splitlines() == [SOURCE]


def test_text_has_the_size_the_demonstration_needs() -> None:
    assert 5_000 <= len(list(sentences())) <= 12_000


def test_sentences_are_clean() -> None:
    dirty = [
        sentence
        for sentence in sentences()
        if sentence != " ".join(sentence.split()) or not sentence.isascii() or any(mark in sentence for mark in '"_*\r')
    ]
    assert dirty == []


def test_no_heading_or_library_notice_is_left() -> None:
    text = "\n".join(sentences()).lower()
    for trace in ("pride and prejudice", "by jane austen", "chapter 1", "ebook", "copyright", "http"):
        assert trace not in text, trace


def test_each_call_reads_from_the_beginning() -> None:
    once, again = sentences(), sentences()
    assert next(once) == next(again) == FIRST


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Is he married?", [["is"], ["he"], ["married"], ["?"]]),
        ("Oh! said Lydia.", [["oh"], ["said"], ["lydia"], ["."]]),
        ("Mr. Bennet, you don't!", [["mr"], ["bennet"], ["you"], ["don't"], ["!"]]),
        (
            "My sisters' ball, to-day--no, to-morrow.",
            [["my"], ["sisters"], ["ball"], ["to-day"], ["no"], ["to-morrow"], ["."]],
        ),
        ("(Asked too!)", [["asked"], ["too"], ["!"]]),
        ("The ----shire in 1812.", [["the"], ["shire"], ["in"], ["1812"], ["."]]),
        ("\u201cIt isn\u2019t so.\u201d", [["it"], ["isn't"], ["so"], ["."]]),
        ("What?!", [["what"], ["!"]]),
        ("It is a truth", [["it"], ["is"], ["a"], ["truth"]]),
        ("He said:", [["he"], ["said"]]),
        ("the the", [["the"], ["the"]]),
        ("Čapek\u2019s _R_.", [["čapek's"], ["r"], ["."]]),
    ],
)
def test_events(sentence: str, expected: list[list[str]]) -> None:
    assert expected == events(sentence)


@pytest.mark.parametrize("sentence", ["", "   ", "?", "-- _ '"])
def test_a_sentence_without_a_word_is_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match="no word"):
        events(sentence)


def test_every_sentence_becomes_words_and_one_closing_mark() -> None:
    last: Counter[str] = Counter()
    for sentence in sentences():
        pattern_data = events(sentence)
        assert len(pattern_data) >= 2
        assert all(len(event) == 1 for event in pattern_data)
        *words, closing = (event[0] for event in pattern_data)
        assert all(word[0].isalnum() and word == word.lower() for word in words), sentence
        last[closing] += 1
    assert set(last) == {".", "?", "!"}
    assert min(last.values()) > 300


def test_some_sentences_recur_so_that_frequencies_rise_above_one() -> None:
    learned = Counter(tuple(event[0] for event in events(sentence)) for sentence in sentences())
    assert learned[("oh", "!")] > 1
    assert len(learned) > 5_000
