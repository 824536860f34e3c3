"""Update operators."""
