r"""Translation of PCRE2 patterns to the syntax of the `regex` library.

PCRE2 pattern manual (pcre2pattern): UTF mode without UCP, as the server compiles patterns. The meanings that differ
are spelled out: ``\w \d \s \b`` and POSIX classes are ASCII, ``\Z \z \h \v \R \N \Q..\E`` and braces mean what PCRE2
says, and inline options last to the end of their group. Options other than ``i`` are resolved here.
"""

from dataclasses import dataclass, field
from typing import Final

from kato_compat.values.charset import POSIX, SHORTHANDS, VERTICAL, Ranges, complement, show, show_character
from kato_compat.values.cursor import SIMPLE, Cursor, InvalidPattern

_WORD: Final = "[0-9A-Z_a-z]"
_BOUNDARY: Final = f"(?-i:(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD})))"
_NO_BOUNDARY: Final = f"(?-i:(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD})))"
_NEWLINE: Final = f"(?>\\r\\n|[{show(VERTICAL)}])"
_ASSERTIONS: Final = {
    "pla": "?=",
    "positive_lookahead": "?=",
    "nla": "?!",
    "negative_lookahead": "?!",
    "plb": "?<=",
    "positive_lookbehind": "?<=",
    "nlb": "?<!",
    "negative_lookbehind": "?<!",
    "atomic": "?>",
}
_VERBS: Final = {"PRUNE": "(*PRUNE)", "SKIP": "(*SKIP)", "FAIL": "(*FAIL)", "F": "(*FAIL)"}
# Letters whose case the `regex` library folds as Turkish does, and PCRE2 does not.
_DOTTED: Final = {"i": "(?-i:[iI])", "I": "(?-i:[iI])", "\u0130": "(?-i:\u0130)", "\u0131": "(?-i:\u0131)"}


@dataclass(slots=True)
class _Group:
    """An open group: the options inside it, and how its text must be closed.

    `ignores` is whether case is ignored where the group began; `wrapped` says that an option changed it since.
    """

    options: set[str]
    ignores: bool
    behind: bool
    wrapped: bool = False


@dataclass(slots=True)
class _Translator(Cursor):
    options: set[str] = field(default_factory=set)
    total: int = 0
    count: int = 0
    ucp: bool = False
    names: set[str] = field(default_factory=set)
    out: list[str] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)

    # The whole

    def run(self) -> str:
        while self.peek("(*"):
            if self.take("(*UCP)"):
                self.ucp = True
            elif not self.take("(*UTF)") and not self.take("(*NO_AUTO_POSSESS)"):
                break
        self.groups.append(_Group(set(self.options), "i" in self.options, False))
        while self.at < len(self.pattern):
            self.item()
        if len(self.groups) > 1:
            raise InvalidPattern("missing closing parenthesis")
        self.unwrap()
        return "".join(self.out)

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    def item(self) -> None:
        letter = self.pattern[self.at]
        self.at += 1
        options = self.group.options
        match letter:
            case "\\":
                self.escape()
            case "[":
                self.out.append(self.character_class())
            case "(":
                self.open()
            case ")":
                if len(self.groups) == 1:
                    raise InvalidPattern("unmatched closing parenthesis")
                self.unwrap()
                self.groups.pop()
                self.out.append(")")
            case "|":
                self.alternative()
            case "*" | "+" | "?":
                self.quantifier(letter, fixed=False)
            case "{":
                self.braces()
            case "^":
                self.out.append(r"(?:\A|(?<=\n)(?!\Z))" if "m" in options else r"\A")
            case "$":
                self.out.append(r"(?=\n|\Z)" if "m" in options else r"(?=\n?\Z)")
            case ".":
                self.out.append("(?s:.)" if "s" in options else r"[^\n]")
            case "#" if "x" in options:
                newline = self.pattern.find("\n", self.at)
                self.at = len(self.pattern) if newline < 0 else newline + 1
            case _ if "x" in options and letter in " \t\n\v\f\r\x85\u200e\u200f\u2028\u2029":
                pass
            case _:
                self.literal(letter)

    def literal(self, letter: str) -> None:
        if "i" in self.group.options and letter in _DOTTED:
            self.out.append(_DOTTED[letter])
        else:
            self.out.append(show_character(letter))

    def plain(self, text: str) -> None:
        # A set whose letters stand for themselves, whatever the case option.
        self.out.append(f"(?-i:{text})" if "i" in self.group.options else text)

    # Quantifiers

    def quantifier(self, text: str, *, fixed: bool) -> None:
        if self.group.behind and not fixed:
            raise InvalidPattern("lookbehind assertion is not fixed length")
        if self.take("+"):
            text += "+"
        elif self.take("?"):
            text += "?"
        self.out.append(text)

    def braces(self) -> None:
        stop = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at : max(stop, self.at)].partition(",")
        if stop < 0 or not _is_number(least) or (most and not _is_number(most)):
            self.out.append(r"\{")
            return
        if int(least) > 65535 or (most and int(most) > 65535):
            raise InvalidPattern("number too big in {} quantifier")
        if most and int(most) < int(least):
            raise InvalidPattern("numbers out of order in {} quantifier")
        self.at = stop + 1
        self.quantifier(f"{{{least}{comma}{most}}}", fixed=not comma or least == most)

    # Groups

    def enter(self, text: str, *, behind: bool = False, capturing: bool = False) -> None:
        self.count += capturing
        inside = self.group
        options = set(inside.options)
        self.out.append(text)
        # A look-ahead inside a look-behind is free again; everything else inherits.
        behind = behind or (inside.behind and text not in ("(?=", "(?!"))
        self.groups.append(_Group(options, "i" in options, behind))

    def open(self) -> None:
        if self.peek("*"):
            self.verb()
        elif not self.take("?"):
            self.enter("(", capturing=True)
        elif self.take("#"):
            self.until(")", "a comment")
        elif self.take("<=") or self.take("<!"):
            self.enter("(?" + self.pattern[self.at - 2 : self.at], behind=True)
        elif self.take("P<") or self.take("<"):
            self.named(">")
        elif self.take("'"):
            self.named("'")
        elif self.take("P="):
            self.out.append(f"(?P={_name(self.until(')', 'a reference'))})")
        elif self.take("P>") or self.take("&"):
            self.out.append(f"(?&{_name(self.until(')', 'a call'))})")
        elif self.take("("):
            self.conditional()
        else:
            self.open_simple()

    def open_simple(self) -> None:
        for start in (":", "=", "!", ">", "|"):
            if self.take(start):
                self.enter("(?" + start)
                return
        if self.take("R)") or self.take("0)"):
            self.out.append("(?R)")
            return
        begin = self.at
        while self.at < len(self.pattern) and self.pattern[self.at] not in "):":
            self.at += 1
        text = self.pattern[begin : self.at]
        if not self.take(")") and not self.peek(":"):
            raise InvalidPattern("missing closing parenthesis")
        if text and _is_number(text.lstrip("+-")) and self.pattern[self.at - 1] == ")":
            self.out.append(f"(?{self.number(text, self.count)})")
            return
        changed = self.changed(text)
        if self.take(":"):
            now = "i" in changed
            before = "i" in self.group.options
            self.enter("(?:" if now == before else "(?i:" if now else "(?-i:")
            self.group.options = changed
            self.group.ignores = now
        else:
            self.unwrap()
            self.group.options = changed
            self.wrap()

    def changed(self, text: str) -> set[str]:
        options = set(self.group.options)
        if text.startswith("^"):
            options -= set("imsx")
            text = text[1:]
        on, _, off = text.partition("-")
        for letter in on + off:
            if letter == "U":
                raise InvalidPattern("option U is not translated")
            if letter not in "imsxnJ":
                raise InvalidPattern("unrecognized character after (? or (?-")
        return (options | set(on)) - set(off)

    def wrap(self) -> None:
        group = self.group
        now = "i" in group.options
        if now != group.ignores:
            self.out.append("(?i:" if now else "(?-i:")
            group.wrapped = True

    def unwrap(self) -> None:
        if self.group.wrapped:
            self.out.append(")")
            self.group.wrapped = False

    def alternative(self) -> None:
        # An option set inside an alternative holds in the following ones, so its wrapper is closed and opened.
        self.unwrap()
        self.out.append("|")
        self.wrap()

    def named(self, end: str) -> None:
        name = _name(self.until(end, "a group name"))
        if name in self.names and "J" not in self.group.options:
            raise InvalidPattern("two named subpatterns have the same name")
        self.names.add(name)
        self.enter(f"(?P<{name}>", capturing=True)

    def conditional(self) -> None:
        for start in ("?=", "?!", "?<=", "?<!"):
            if self.take(start):
                self.enter("(?")
                self.enter("(" + start, behind="<" in start)
                return
        name = self.until(")", "a condition").strip("<>'")
        if name and _is_number(name.lstrip("+-")):
            name = str(self.number(name, self.count))
        self.enter(f"(?({_name(name) if not name.isdecimal() else name})")

    def number(self, text: str, base: int) -> int:
        number = int(text)
        if text[0] == "-":
            number = base + 1 + number
        elif text[0] == "+":
            number = base + number
        if not 0 <= number <= self.total:
            raise InvalidPattern("reference to non-existent subpattern")
        return number

    def verb(self) -> None:
        self.at += 1
        start = self.at
        while self.at < len(self.pattern) and self.pattern[self.at] not in ":)":
            self.at += 1
        name = self.pattern[start : self.at]
        if name in _ASSERTIONS and self.take(":"):
            self.enter("(" + _ASSERTIONS[name], behind="behind" in name or name in ("plb", "nlb"))
        elif name in _VERBS and self.take(")"):
            self.out.append(_VERBS[name])
        else:
            raise InvalidPattern(f"(*{name}) is not recognized or not translated")

    # Escapes

    def escape(self) -> None:
        if self.at >= len(self.pattern):
            raise InvalidPattern("\\ at end of pattern")
        letter = self.pattern[self.at]
        self.at += 1
        if self.ucp and letter in "bBdDsSwW":
            self.out.append("\\" + letter)
        elif letter in SHORTHANDS:
            self.plain(f"[{show(SHORTHANDS[letter])}]")
        elif letter.isdecimal() and letter.isascii():
            self.numbered(letter)
        elif not (letter.isascii() and letter.isalnum()):
            self.literal(letter)
        elif letter in SIMPLE or letter in "cxo":
            self.literal(self.character(letter))
        else:
            self.special(letter)

    def special(self, letter: str) -> None:
        fixed = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "G": r"\G", "K": r"\K", "X": r"\X", "R": _NEWLINE}
        match letter:
            case "b":
                self.out.append(_BOUNDARY)
            case "B":
                self.out.append(_NO_BOUNDARY)
            case "N":
                if self.peek("{"):
                    raise InvalidPattern("\\N{name} is not supported")
                self.out.append(r"[^\n]")
            case "p" | "P":
                self.plain(self.unicode_property(letter))
            case "Q":
                stop = self.pattern.find("\\E", self.at)
                text = self.pattern[self.at :] if stop < 0 else self.pattern[self.at : stop]
                self.at = len(self.pattern) if stop < 0 else stop + 2
                for each in text:
                    self.literal(each)
            case "E":
                pass
            case "k" | "g":
                self.reference(letter)
            case _ if letter in fixed:
                self.out.append(fixed[letter])
            case _:
                raise InvalidPattern("unrecognized character follows \\")

    def reference(self, letter: str) -> None:
        for start, end in (("{", "}"), ("<", ">"), ("'", "'")):
            if self.take(start):
                name = self.until(end, "a reference")
                break
        else:
            if letter == "k":
                raise InvalidPattern("\\k is not followed by a name")
            start, sign = "{", "-" if self.take("-") else ""
            name = sign + self.digits(1, 9, "0123456789")
        call = letter == "g" and start != "{"
        if name and _is_number(name.lstrip("+-")):
            number = self.number(name, self.count)
            self.out.append(f"(?{number})" if call else f"\\g<{number}>")
        else:
            self.out.append(f"(?&{_name(name)})" if call else f"(?P={_name(name)})")

    def numbered(self, first: str) -> None:
        if first == "0":
            self.literal(chr(int("0" + self.digits(0, 2, "01234567"), 8)))
            return
        start = self.at
        number = int(first + self.digits(0, 3, "0123456789"))
        if number < 10 or number <= self.total:
            if number > self.total:
                raise InvalidPattern("reference to non-existent subpattern")
            self.out.append(f"\\g<{number}>")
            return
        self.at = start
        octal = first + self.digits(0, 2, "01234567") if first < "8" else ""
        self.literal(chr(int(octal, 8)) if octal else first)

    # Classes

    def character_class(self) -> str:
        negative = self.take("^")
        characters: Ranges = []
        exact: Ranges = []  # what escapes and POSIX classes stand for: not widened by the case option
        properties: list[str] = []
        first = True
        while first or not self.peek("]"):
            if self.at >= len(self.pattern):
                raise InvalidPattern("missing terminating ] for character class")
            first = False
            low = self.member(exact, properties)
            # A hyphen makes a range unless it is the last character of the class.
            ranged = self.peek("-") and not self.peek("-]") and self.at + 1 < len(self.pattern)
            if low is None:
                if ranged and not self.quoted:
                    raise InvalidPattern("invalid range in character class")
                continue
            if not ranged:
                characters.append((ord(low), ord(low)))
                continue
            self.at += 1
            high = self.member(exact, properties)
            if high is None:
                raise InvalidPattern("invalid range in character class")
            if high < low:
                raise InvalidPattern("range out of order in character class")
            characters.append((ord(low), ord(high)))
        self.at += 1
        return self.join_class(negative, characters, exact, properties)

    @property
    def quoted(self) -> bool:
        """True just behind ``\\E``, where a hyphen is no mistake."""
        return self.pattern[self.at - 2 : self.at] == "\\E"

    def join_class(self, negative: bool, characters: Ranges, exact: Ranges, properties: list[str]) -> str:
        special = show(exact) + "".join(part[1:-1] if part[1] != "^" else part for part in properties if part[1] != "^")
        outside = [part for part in properties if part[1] == "^"]
        if ("i" not in self.group.options or not (exact or properties)) and not outside:
            return f"[{'^' if negative else ''}{show(characters)}{special}]"
        parts = [f"[{text}]" for text in (show(characters),) if text]
        if special:
            parts.append(f"(?-i:[{special}])")
        parts += [f"(?-i:{part})" for part in outside]
        choice = "|".join(parts)
        return f"(?:(?!{choice})(?s:.))" if negative else f"(?:{choice})"

    def member(self, exact: Ranges, properties: list[str]) -> str | None:
        """The next character of a class; None where a set was read, which then is in `exact` or `properties`."""
        letter = self.pattern[self.at]
        self.at += 1
        if letter == "[" and self.pattern[self.at : self.at + 1] in (":", ".", "="):
            return self.posix(exact)
        if letter != "\\":
            return letter
        if self.at >= len(self.pattern):
            raise InvalidPattern("\\ at end of pattern")
        letter = self.pattern[self.at]
        self.at += 1
        if self.ucp and letter in "dDsSwW":
            properties.append(f"[\\{letter}]")
            return None
        if letter in SHORTHANDS:
            exact += SHORTHANDS[letter]
            return None
        if letter in "pP":
            properties.append(self.unicode_property(letter))
            return None
        if letter == "b":
            return "\b"
        if letter == "E":
            return None
        if letter == "Q":
            for each in self.until("\\E", "a quotation"):
                exact.append((ord(each), ord(each)))
            return None
        if letter in "01234567":
            return chr(int(letter + self.digits(0, 2, "01234567"), 8))
        if letter in SIMPLE or letter in "cxo":
            return self.character(letter)
        if letter.isascii() and letter.isalnum():
            raise InvalidPattern("unrecognized or invalid escape in a character class")
        return letter

    def posix(self, exact: Ranges) -> str | None:
        kind = self.pattern[self.at]
        stop = self.pattern.find(kind + "]", self.at + 1)
        name = self.pattern[self.at + 1 : stop] if stop > 0 else ""
        if not name or not name.removeprefix("^").isalpha():
            return "["
        if kind != ":":
            raise InvalidPattern("POSIX collating elements are not supported")
        self.at = stop + 2
        plain = name.removeprefix("^")
        if plain not in POSIX:
            raise InvalidPattern("unknown POSIX class name")
        if plain in ("upper", "lower") and "i" in self.group.options:
            plain = "alpha"
        exact += complement(POSIX[plain]) if name.startswith("^") else POSIX[plain]
        return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _name(text: str) -> str:
    if not text or text[0].isdecimal() or not text.replace("_", "a").isalnum():
        raise InvalidPattern("subpattern name expected")
    return text


def translate(pattern: str, options: str = "") -> str:
    """`pattern` (PCRE2, with the option letters `options`) for `regex.compile` with at most IGNORECASE.

    Raises `InvalidPattern` for what PCRE2 refuses; a mistake that both see is left for `regex.compile` to raise.
    """
    # The first run counts the groups: what \10 means depends on how many there are in the whole pattern.
    counting = _Translator(pattern, options=set(options), total=10**6)
    counting.run()
    return _Translator(pattern, options=set(options), total=counting.count).run()
