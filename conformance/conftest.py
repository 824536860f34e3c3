"""The fixtures that all tests share: see `conformance.fixtures`."""

pytest_plugins = ["conformance.fixtures"]
