"""With ``-m long`` every property here runs with many examples (see `conformance.profile`)."""

import os
from pathlib import Path

import pytest

from conformance.profile import VARIABLE

_LONG = "5000"


def pytest_configure(config: pytest.Config) -> None:
    # Before the test modules are imported: their settings are made then.
    if config.option.markexpr == "long":
        os.environ.setdefault(VARIABLE, _LONG)


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.config.option.markexpr == "long" and Path(__file__).parent in item.path.parents:
        item.add_marker("long")
