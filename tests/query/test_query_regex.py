r"""Regular expressions as PCRE2 in UTF mode understands them (pcre2pattern manual; MongoDB manual: $regex)."""

import pytest
from pymongo.errors import OperationFailure

from kato_compat.values.regex import compile_regex

# (pattern, options, strings in which it is found, strings in which it is not)
FOUND = [
    (r"^a\w+$", "", ["abc", "ab\n"], ["a", "aé", "xab"]),
    (r"\d", "", ["1"], ["\u0663", "x"]),
    (r"\bé", "", ["aé"], ["é"]),
    (r"a\b", "i", ["aé", "A"], ["ab"]),
    (r"\Bb", "", ["ab"], ["b", " b"]),
    (r"\s", "", [" ", "\v"], ["\xa0"]),
    (r"[\s\d]x", "", [" x", "1x"], ["\xa0x"]),
    (r"[^\W_]", "", ["a", "1"], ["_", "é"]),
    (r"[\D]", "", ["a"], ["5"]),
    (r"[\w]", "i", ["k"], ["\u017f", "\u212a"]),
    (r"[^\w]", "i", ["\u017f", "-"], ["K"]),
    ("é", "i", ["É"], ["e"]),
    ("i", "i", ["I"], ["\u0130", "\u0131"]),
    ("^b", "m", ["a\nb", "b"], ["ab"]),
    ("^$", "m", ["", "a\n\nb"], ["a\n"]),
    ("^$", "", ["", "\n"], ["\n\n"]),
    ("a$", "", ["a", "a\n"], ["a\nb"]),
    ("a$", "m", ["a\nb"], ["ab"]),
    (r"a\Z", "m", ["a", "a\n"], ["a\nb"]),
    (r"a\z", "", ["a"], ["a\n"]),
    (r"\Ab", "m", ["b"], ["a\nb"]),
    ("a.c", "", ["abc", "a\rc"], ["a\nc"]),
    ("a.c", "s", ["a\nc"], []),
    (r"a\Nc", "s", ["abc"], ["a\nc"]),
    ("a b # text\n c", "x", ["abc"], ["a b c"]),
    (r"a\ b[ ]c", "x", ["a b c"], ["abc"]),
    ("(?i)abc", "", ["ABC"], []),
    ("a(?i)b|c", "", ["aB", "C"], ["AB"]),
    ("(a(?i)b)c", "", ["aBc"], ["aBC"]),
    ("(?-i)a", "i", ["a"], ["A"]),
    ("(?i:a)b", "", ["Ab"], ["AB"]),
    ("(?s).(?-s).", "", ["\na"], ["\n\n"]),
    ("(?x) a b", "", ["ab"], ["a b"]),
    ("a(?#text)b", "", ["ab"], ["a"]),
    (r"\Qa.b\E+", "", ["a.bb"], ["axb"]),
    (r"\Qa.b", "", ["a.b"], ["axb"]),
    ("a{,3}", "", ["a{,3}"], ["aaa"]),
    ("a{2,}b{x}", "", ["aab{x}"], ["ab{x}"]),
    ("{", "", ["{"], ["x"]),
    ("[[:upper:]]", "", ["A"], ["a", "É"]),
    ("[[:upper:]]", "i", ["a"], ["1"]),
    ("[[:^digit:]x]", "", ["a", "x"], ["5"]),
    ("[]a]", "", ["]"], ["b"]),
    ("[^]a]", "", ["b"], ["]", "a"]),
    ("[a-]", "", ["-"], ["b"]),
    ("[a&&b||c~~e[-]", "", ["&", "|", "[", "~", "-"], ["f", "d"]),
    (r"[\x41-\x43]", "", ["B"], ["D"]),
    (r"[\b]", "", ["\b"], ["b"]),
    (r"\x{1F600}", "", ["\U0001f600"], ["x"]),
    (r"\x41\101\o{101}\e\cA", "", ["AAA\x1b\x01"], ["A"]),
    (r"\p{L}\pN", "", ["é1", "a\u0663"], ["1a"]),
    (r"\p{Lu}", "i", ["É"], ["é"]),
    (r"\P{L}", "", ["1"], ["a"]),
    (r"[^\p{Lu}x]", "", ["a"], ["A", "x"]),
    (r"\h\v\R", "", ["\xa0\n\r\n"], ["  "]),
    (r"(a)\1", "", ["aa"], ["a1"]),
    (r"(a)\g{-1}\g1", "", ["aaa"], ["aa"]),
    (r"(?<n>a)\k<n>(?P=n)\k{n}", "", ["aaaa"], ["aaa"]),
    (r"(?'n'a)", "", ["a"], ["b"]),
    (r"\((?:[^()]++|(?R))*+\)c", "", ["(a(b)c)c"], ["(a(b c"]),
    (r"^(\((?1)*\))$", "", ["(()())"], ["(()"]),
    ("a++b", "", ["aab"], ["aa"]),
    ("(?>a+)ab", "", [], ["aaab"]),
    ("(?<=a|bc)d", "", ["ad", "bcd"], ["cd"]),
    ("(?<!a)b", "", ["cb", "b"], ["ab"]),
    ("^(?:(a)|b)(?(1)c|d)$", "", ["ac", "bd"], ["ad"]),
    ("(?|(a)|(b))\\1", "", ["bb"], ["ab"]),
    (r"(*UCP)^\w$", "", ["é"], ["-"]),
    ("a/b~c", "", ["a/b~c"], []),
    ("~c", "u", ["~c"], []),
]


@pytest.mark.parametrize(("pattern", "options", "inside", "outside"), FOUND)
def test_found(pattern: str, options: str, inside: list[str], outside: list[str]) -> None:
    search = compile_regex(pattern, options).search
    for text in inside:
        assert search(text) is not None, text
    for text in outside:
        assert search(text) is None, text


INVALID = [
    *["(", "a)", "[a", "*a", "a**", "a|*", "\\", "[b-a]", "[a-\\d]", "[\\d-z]", "[[:foo:]]", "[[.a.]]", "a{3,2}"],
    *[
        "a{99999}",
        "(?<=a+)b",
        "(?<!a{1,2})b",
        "(?P<n",
        "(?<1a>b)",
        "(?<n>a)(?<n>b)",
        "\\2(a)",
        "(?z)a",
        "\\j",
        "\\N{x}",
    ],
    *[
        "(?1)",
        "\\k",
        "\\x{110000}",
        "\\x{d800}",
        "\\x{zz}",
        "\\o7",
        "\\p{no such}",
        "\\p{Nosuch}",
        "(*FOO)",
        "(?",
        "[\\y]",
    ],
]


@pytest.mark.parametrize("pattern", INVALID)
def test_invalid(pattern: str) -> None:
    with pytest.raises(OperationFailure) as caught:
        compile_regex(pattern)
    assert caught.value.code == 51091
    assert "Regular expression is invalid" in str(caught.value)


def test_captures() -> None:
    """The groups are those of the pattern, whatever the translation adds."""
    match = compile_regex(r"(?i)(a)\b(?:x)?|(?<n>b)(\d{2})", "m").search("1B23")
    assert match.groups() == (None, "B", "23")
    assert match.span() == (1, 4)


@pytest.mark.parametrize(("pattern", "options", "code"), [("a", "q", 51108), ("a", "l", 51108), ("a\0", "", 2)])
def test_options(pattern: str, options: str, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        compile_regex(pattern, options)
    assert code == caught.value.code
