"""Collations: the order and equality of strings in a language (MongoDB manual: Collation).

Comparing is ICU's, through PyICU, the `collation` extra; the locale "simple" is the binary order and needs none.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kato_compat.errors import fail, refused
from kato_compat.values.equality import equality_key
from kato_compat.values.numbers import long_of
from kato_compat.values.order import ARRAY, NAN, NUMBER, OBJECT, STRING, SortKey, sort_key
from kato_compat.values.paths import fields_of
from kato_compat.values.types import alias_of, is_number

_CASE_FIRST: Final = ("upper", "lower", "off")
_ALTERNATE: Final = ("non-ignorable", "shifted")
_MAX_VARIABLE: Final = ("punct", "space")
_BOOLS: Final = ("caseLevel", "numericOrdering", "normalization", "backwards")
_STRINGS: Final = {"caseFirst": _CASE_FIRST, "alternate": _ALTERNATE, "maxVariable": _MAX_VARIABLE}

# The locales of ICU's collation data that MongoDB supports (manual: Supported Languages and Locales).
# fmt: off
LOCALES: Final = frozenset({
    "af", "am", "ar", "as", "az", "be", "bg", "bn", "bo", "bs", "bs_Cyrl", "ca", "ceb", "chr", "cs", "cy", "da", "de",
    "de_AT", "dsb", "dz", "ee", "el", "en", "en_US", "en_US_POSIX", "eo", "es", "et", "fa", "fa_AF", "ff_Adlm", "fi",
    "fil", "fo", "fr", "fr_CA", "ga", "gl", "gu", "ha", "haw", "he", "hi", "hr", "hsb", "hu", "hy", "id", "ig", "is",
    "it", "ja", "ka", "kk", "kl", "km", "kn", "ko", "kok", "ku", "ky", "lb", "lkt", "ln", "lo", "lt", "lv", "mk", "ml",
    "mn", "mr", "ms", "mt", "my", "nb", "nb_NO", "ne", "nl", "nn", "om", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sa",
    "se", "si", "sk", "sl", "smn", "sq", "sr", "sr_Latn", "sv", "sw", "ta", "te", "th", "tk", "to", "tr", "ug", "uk",
    "ur", "uz", "vi", "wae", "wo", "xh", "yi", "yo", "zh", "zh_Hant", "zu",
})
# fmt: on
# ICU's POSIX variant is not one MongoDB takes by that name alone; variants of collation types follow an "@".
_TYPES: Final = {
    "search": None,
    "phonebook": frozenset({"de", "de_AT"}),
    "traditional": frozenset({"bn", "es", "fi", "kn", "sa", "sv", "vi"}),
    "trad": frozenset({"es"}),
    "dictionary": frozenset({"si"}),
    "standard": frozenset({"sv"}),
    "reformed": frozenset({"sv"}),
    "unihan": frozenset({"ja", "ko", "zh", "zh_Hant"}),
    "searchjl": frozenset({"ko"}),
    "compat": frozenset({"ar"}),
    "phonetic": frozenset({"ln"}),
    "big5han": frozenset({"zh"}),
    "gb2312han": frozenset({"zh"}),
    "pinyin": frozenset({"zh"}),
    "stroke": frozenset({"zh"}),
    "zhuyin": frozenset({"zh"}),
}


@dataclass(frozen=True, slots=True)
class Collation:
    """How strings compare. `None` in place of one is the binary order."""

    locale: str
    strength: int = 3
    case_level: bool = False
    case_first: str = "off"
    numeric_ordering: bool = False
    alternate: str = "non-ignorable"
    max_variable: str = "punct"
    normalization: bool = False
    backwards: bool = False

    @classmethod
    def parse(cls, raw: Any) -> "Collation | None":
        """The collation that `raw` (a document of internal form, or None) describes; None for the binary order.

        Raises 14 (not a document, or a field's type), 40414 (no locale), 40415 (unknown field), 2 (a bad value or
        locale, or an option beside the locale "simple"), 51024 (strength out of range), and refuses (115) any
        other collation where PyICU is not installed.
        """
        if raw is None:
            return None
        fields = fields_of(raw)
        if fields is None:
            raise fail(14, f"BSON field 'collation' is the wrong type '{alias_of(raw)}', expected type 'object'")
        if not fields:
            return None
        options = {name: _option(name, value) for name, value in fields.items() if value is not None}
        if "locale" not in options:
            raise fail(40414, "BSON field 'collation.locale' is missing but a required field")
        locale = options["locale"]
        options.pop("version", None)
        if locale == "simple":
            if len(options) > 1:
                raise fail(2, f'If locale="simple", no other collation fields may be specified: {", ".join(options)}')
            return None
        _check_locale(locale)
        collation = cls(
            locale,
            strength=options.get("strength", 3),
            case_level=options.get("caseLevel", False),
            case_first=options.get("caseFirst", "off"),
            numeric_ordering=options.get("numericOrdering", False),
            alternate=options.get("alternate", "non-ignorable"),
            max_variable=options.get("maxVariable", "punct"),
            normalization=options.get("normalization", False),
            backwards=options.get("backwards", _french(locale)),
        )
        if collation.backwards and collation.strength == 1:
            raise fail(2, "'backwards' is invalid with 'strength' of 1")
        if collation.case_first != "off" and not collation.case_level and collation.strength < 3:
            raise fail(2, "'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater than 2")
        _library()
        return collation

    def key(self, text: str) -> bytes:
        """The collation key of a string: keys compare, and are equal, as their strings do."""
        return _keys(self)(text)

    def sorter(self) -> Callable[[Any], SortKey]:
        """`values.order.sort_key` with strings, also inside documents and arrays, in this collation."""
        text = _keys(self)

        def key(value: Any) -> SortKey:
            kind = type(value)
            if kind is str:
                return (STRING, text(value))
            if kind is list:
                return (ARRAY, *[key(item) for item in value])
            fields = fields_of(value)
            if fields is None:
                return sort_key(value)
            parts: list[Any] = [OBJECT]
            for name, item in fields.items():
                inner = key(item)
                parts.append((NUMBER if inner[0] == NAN else inner[0], name, inner))
            return tuple(parts)

        return key

    def equality(self) -> Callable[[Any], Hashable]:
        """`values.equality.equality_key` with strings, also inside documents and arrays, in this collation."""
        text = _keys(self)

        def key(value: Any) -> Hashable:
            kind = type(value)
            if kind is str:
                return ("text", text(value))
            if kind is list:
                return ("array", *[key(item) for item in value])
            fields = fields_of(value)
            if fields is None:
                return equality_key(value)
            return ("object", *[(name, key(item)) for name, item in fields.items()])

        return key

    @property
    def document(self) -> dict[str, Any]:
        """The collation with all its fields, as the server shows it of indexes and collections."""
        return {
            "locale": self.locale,
            "caseLevel": self.case_level,
            "caseFirst": self.case_first,
            "strength": self.strength,
            "numericOrdering": self.numeric_ordering,
            "alternate": self.alternate,
            "maxVariable": self.max_variable,
            "normalization": self.normalization,
            "backwards": self.backwards,
            "version": "57.1",
        }


def ordering(collation: Collation | None) -> Callable[[Any], SortKey]:
    """What gives the places of values in the order of `collation`, None being the binary order."""
    return sort_key if collation is None else collation.sorter()


def identity(collation: Collation | None) -> Callable[[Any], Hashable]:
    """What gives the equality keys of values under `collation`, None being binary equality."""
    return equality_key if collation is None else collation.equality()


def _option(name: str, value: Any) -> Any:
    field = f"collation.{name}"
    if name in _BOOLS:
        if type(value) is not bool:
            raise fail(14, f"BSON field '{field}' is the wrong type '{alias_of(value)}', expected type 'bool'")
    elif name == "strength":
        if not is_number(value):
            raise fail(14, f"BSON field '{field}' is the wrong type '{alias_of(value)}', expected a number")
        level = long_of(value)
        if not 1 <= level <= 5:
            bound = "at least 1" if level < 1 else "at most 5"
            raise fail(51024, f"BSON field 'strength' value must be {bound}, actual value '{level}'")
        return level
    elif name in _STRINGS or name in ("locale", "version"):
        if type(value) is not str:
            raise fail(14, f"BSON field '{field}' is the wrong type '{alias_of(value)}', expected type 'string'")
        if name in _STRINGS and value not in _STRINGS[name]:
            raise fail(2, f"Enumeration value '{value}' for field '{field}' is not a valid value.")
        if name == "version" and value != "57.1":
            raise fail(161, f"Requested collation version '{value}', but the only available version is '57.1'")
    else:
        raise fail(40415, f"BSON field '{field}' is an unknown field.")
    return value


def _check_locale(locale: str) -> None:
    name, _, extra = locale.partition("@")
    valid = name in LOCALES
    if extra:
        key, _, kind = extra.partition("=")
        families = _TYPES.get(kind, frozenset())
        valid = valid and key == "collation" and (families is None or name in families)
    if not valid:
        raise fail(2, f"Field 'locale' is invalid in: {{ locale: \"{locale}\" }}")


def _french(locale: str) -> bool:
    # Canadian French compares accents from the end of the word unless told otherwise.
    return locale.partition("@")[0] == "fr_CA"


def _library() -> Any:
    try:
        import icu
    except ImportError as error:
        raise refused("collation", "PyICU is not installed; install the extra kato-compat[collation]") from error
    return icu


#: Strings whose keys are remembered, for each collation: columns repeat their values.
_REMEMBERED: Final = 10_000


@lru_cache(maxsize=64)
def _keys(collation: Collation) -> Callable[[str], bytes]:
    # ICU's collators are immutable here, so threads share them.
    compute: Callable[[str], bytes] = _collator(collation).getSortKey
    known: dict[str, bytes] = {}

    def key(text: str) -> bytes:
        found = known.get(text)
        if found is None:
            found = compute(text)
            if len(known) < _REMEMBERED:
                known[text] = found
        return found

    return key


def _collator(collation: Collation) -> Any:
    icu = _library()
    collator = icu.Collator.createInstance(icu.Locale(collation.locale))
    attribute, value = icu.UCollAttribute, icu.UCollAttributeValue
    strengths = (value.PRIMARY, value.SECONDARY, value.TERTIARY, value.QUATERNARY, value.IDENTICAL)
    collator.setStrength(strengths[collation.strength - 1])

    def switch(name: int, on: bool) -> None:
        collator.setAttribute(name, value.ON if on else value.OFF)

    switch(attribute.CASE_LEVEL, collation.case_level)
    switch(attribute.NUMERIC_COLLATION, collation.numeric_ordering)
    switch(attribute.NORMALIZATION_MODE, collation.normalization)
    switch(attribute.FRENCH_COLLATION, collation.backwards)
    first = {"upper": value.UPPER_FIRST, "lower": value.LOWER_FIRST, "off": value.OFF}[collation.case_first]
    collator.setAttribute(attribute.CASE_FIRST, first)
    shifted = collation.alternate == "shifted"
    collator.setAttribute(attribute.ALTERNATE_HANDLING, value.SHIFTED if shifted else value.NON_IGNORABLE)
    if shifted and collation.max_variable == "space":
        # Punctuation is variable too unless the last variable character is said to be white space.
        collator.setVariableTop(" ")
    return collator
