"""Accumulator operators."""
