"""Which names a collection may have (MongoDB manual: Naming Restrictions)."""

from pymongo.errors import InvalidName


def check_name(name: str) -> None:
    """Raise pymongo's `InvalidName` for a name that a collection may not have."""
    if not name or ".." in name:
        raise InvalidName("collection names cannot be empty")
    if "$" in name and not name.startswith(("oplog.$main", "$cmd")):
        raise InvalidName(f"collection names must not contain '$': {name!r}")
    if name[0] == "." or name[-1] == ".":
        raise InvalidName(f"collection names must not start or end with '.': {name!r}")
    if "\x00" in name:
        raise InvalidName("collection names must not contain the null character")
