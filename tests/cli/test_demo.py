"""The demonstration: run whole on engines in a process of its own, and its parts."""

import io
import os
import pty
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from kato_compat import __version__
from kato_compat.cli.calls import EXPLAINED, STEPS
from kato_compat.cli.demo import prompted, run
from kato_compat.cli.screen import Screen, answer, bar, clip, duration
from kato_compat.cli.text import events, sentences

ROOT: Final = Path(__file__).parents[2]
ESCAPE: Final = "\x1b"


def command(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m kato_compat` to its end; its output is no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "kato_compat", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demonstration of 200 sentences shows, its temporary folder being in one that the tests can see."""
    done = command("demo", "--sentences", "200", TMPDIR=str(tmp_path_factory.mktemp("d")))
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def answers(shown: str) -> dict[str, list[str]]:
    """The lines of answer of each call, by the first line of its source; times are left out."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in shown.splitlines():
        text = line[4:]
        if line.startswith("    >>> "):
            lines = found.setdefault(text[4:], [])
        elif line.startswith("    ") and not text.startswith(("... ", "# ")):
            lines.append(text)
    return found


def test_every_call_is_shown_with_its_time(shown: str) -> None:
    titles = re.findall(r"^ ?\d+\. (.*)$", shown, re.M)
    assert titles == [step.title for step in (*STEPS, EXPLAINED)]
    times = re.findall(r"^    # (?:[\d,]+ documents in )?[\d.]+ (?:ms|s)$", shown, re.M)
    assert len(times) == sum(len(step.sources) for step in STEPS)


def test_answers_are_mongodbs(shown: str) -> None:
    found = answers(shown)
    distinct = len({str(events(sentence)) for sentence in islice(sentences(), 200)})
    assert found["knowledge.learn_patterns(events(sentence) for sentence in text)"] == [str(distinct)]
    assert found["kb.patterns_kb.count_documents({})"] == [str(distinct)]
    assert found['kb.symbols_kb.find_one({"name": "telephone"})'] == ["None"]
    assert found['kb.patterns_kb.delete_one({"name": tea}).deleted_count'] == ["1"]
    assert found['kb.patterns_kb.find_one({"name": tea})'] == ["None"]
    assert found["[kb.patterns_kb.update_one("] == ["[0, 1, 1]"]
    totals = " ".join(found['kb.metadata.find_one({"class": "totals"}, {"_id": 0})'])
    assert "'class': 'totals', 'total_pattern_frequencies': 200," in totals
    group = " ".join(found['list(kb.patterns_kb.aggregate([{"$group": {'])
    assert f"'total_patterns': {distinct}, 'total_frequency': 200," in group


def test_explanation_shows_all_three_places(shown: str) -> None:
    tree = shown[shown.index(".explain()") :]
    assert re.search(r"^ +SQL +\{length: \{\$gte: 20\}\} +exact$", tree, re.M)
    assert re.search(r"^ +MGET +frequency ", tree, re.M)
    assert re.search(r"^ +PYTHON +\{frequency: \{\$gte: 1\}\} ", tree, re.M)
    assert re.search(r"^ +WHERE `kb_id` = ", tree, re.M)


def test_output_is_plain_where_it_is_no_terminal(shown: str) -> None:
    assert ESCAPE not in shown
    assert "\r" not in shown


def test_temporary_folder_is_removed(shown: str) -> None:
    match = re.search(r"folder   (.*), removed at the end", shown)
    assert match is not None
    assert not Path(match[1]).exists()


def test_folder_that_is_given_is_kept_and_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = command("demo", "--sentences", "5", "--path", str(tmp_path / "kept"))
        assert done.stderr == ""
        assert answers(done.stdout)["kb.patterns_kb.count_documents({})"] == ["5"]
    assert (tmp_path / "kept" / "valkey").is_dir()


def test_folder_in_use_is_an_error_on_one_line(tmp_path: Path, embedded_path: Path) -> None:
    done = command("demo", "--path", str(embedded_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"used by process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_usage() -> None:
    assert command("--version").stdout == f"kato-compat {__version__}\n"
    assert "demo" in command().stdout
    wrong = command("demo", "--sentences", "0")
    assert (wrong.returncode, wrong.stdout) == (2, "")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """True."""
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Screen(Terminal()).styled("a", "title") == "\x1b[1ma\x1b[0m"
    assert Screen(Terminal(), colour=False).styled("a", "title") == "a"
    assert Screen(io.StringIO()).styled("a", "title") == "a"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen(Terminal()).styled("a", "title") == "a"
    monkeypatch.setenv("NO_COLOR", "")
    assert Screen(Terminal()).styled("a", "title") == "\x1b[1ma\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert Screen(Terminal()).styled("a", "title") == "a"


def test_real_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as stream:
        screen = Screen(stream)
        assert (screen.terminal, screen.colour) == (True, True)
    os.close(parent)


def test_progress_hands_on_everything_and_leaves_a_clean_line() -> None:
    stream = Terminal()
    assert list(Screen(stream).progress(iter("abc"), 3)) == ["a", "b", "c"]
    assert stream.getvalue().endswith("\r\x1b[K")
    plain = io.StringIO()
    assert list(Screen(plain).progress(iter("abc"), 3)) == ["a", "b", "c"]
    assert plain.getvalue() == ""


def test_bar_is_of_one_width() -> None:
    assert bar(0, 2000, 0.0) == "  [" + "-" * 30 + "]     0 of 2,000  0 a second"
    assert bar(1000, 2000, 0.5) == "  [" + "#" * 15 + "-" * 15 + "] 1,000 of 2,000  2,000 a second"
    assert bar(2000, 2000, 2.0) == "  [" + "#" * 30 + "] 2,000 of 2,000  1,000 a second"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.00012, "0.1 ms"),
        (0.0994, "99.4 ms"),
        (0.0995, "100 ms"),
        (0.999, "999 ms"),
        (0.9996, "1.00 s"),
        (12.3, "12.30 s"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (7, "7"),
        ([], "[]"),
        ([0, 1, 1], "[0, 1, 1]"),
        ({"name": "0123456789" * 4}, "{'name': '0123456..'}"),
        ({"a": list(range(9))}, "{'a': [0, 1, 2, .., 7, 8]}"),
        ([{"a": 1}, {"a": 2}], "{'a': 1}\n{'a': 2}"),
        ([{"a": each} for each in range(1500)], "{'a': 0}\n{'a': 1}\n{'a': 2}\n.. and 1,497 more"),
        ({"text": "word " * 12}, "{'text': 'word word word word word word\n word word word word word word '}"),
    ],
)
def test_answers_are_short(value: Any, expected: str) -> None:
    assert answer(value, 40) == expected


def test_no_line_of_an_answer_is_longer_than_the_width() -> None:
    long = {f"field{each}": "x" * 30 for each in range(50)}
    for value in (long, [long, long], "x" * 500):
        lines = answer(value, 60).splitlines()
        assert len(lines) <= 4
        assert max(map(len, lines)) <= 60


def test_clip_keeps_the_end() -> None:
    assert clip("{'a': 1}", 8) == "{'a': 1}"
    assert clip("{'a': 123}", 8) == "{'a':..}"


def test_source_is_prompted_as_python_does() -> None:
    assert prompted("a = 1\nb = [\n  2,\n]") == ">>> a = 1\n>>> b = [\n...   2,\n... ]"


def test_run_gives_the_value_and_keeps_assignments() -> None:
    names: dict[str, Any] = {"two": 2}
    assert run("two * 2", names)[0] == 4
    assert run("three = two + 1", names)[0] == 3
    assert names["three"] == 3
    with pytest.raises(TypeError, match="neither an expression nor an assignment"):
        run("import os", names)
