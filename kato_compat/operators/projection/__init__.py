"""Projection operators."""
