"""Structural types shared by every layer: nodes, specs, registries, requests."""
