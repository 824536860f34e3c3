"""Conformance: cases as data with the answers of MongoDB, a runner for them, generators and differentials."""
