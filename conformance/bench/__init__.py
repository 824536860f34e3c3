"""Benchmarks: what this package costs beside hand-written store calls and beside mongomock, measured in one run."""
