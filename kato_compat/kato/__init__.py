"""KATO's knowledge bases: learning patterns and keeping their statistics."""
