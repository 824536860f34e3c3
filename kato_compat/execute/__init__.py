"""Executing flows: the drivers that perform the requests a flow yields."""
