"""The command `kato-compat`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pymongo.errors import PyMongoError

from kato_compat import __version__
from kato_compat.cli.demo import demo
from kato_compat.cli.screen import Screen

_INTERRUPTED = 130  # what shells report for a program that SIGINT ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`arguments`, or those of the process); returns the exit status.

    0: done. 1: an error, said on standard error. 130: interrupted. Raises `SystemExit` with 2 for a wrong usage.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    screen = Screen(sys.stdout, colour=False if given.no_color else None)
    try:
        demo(screen, given.path, given.sentences)
    except PyMongoError as error:
        print(f"kato-compat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nkato-compat: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kato-compat",
        description="Collections with pymongo's API whose documents live in ClickHouse and Redis.",
    )
    parser.add_argument("--version", action="version", version=f"kato-compat {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    shown = commands.add_parser(
        "demo",
        help="learn a novel and ask it what legacy pymongo code asks",
        description="Learn a novel, sentence by sentence, on embedded engines, then run legacy pymongo calls on it.",
    )
    shown.add_argument("--path", type=Path, metavar="DIR", help="keep the data there (default: a temporary folder)")
    shown.add_argument("--sentences", type=_positive, metavar="N", help="learn the first N only (default: all)")
    shown.add_argument("--no-color", action="store_true", help="no colours, on a terminal too (also: NO_COLOR)")
    return parser


def _positive(text: str) -> int:
    """A count from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


if __name__ == "__main__":
    sys.exit(main())
