"""Expression operators."""
