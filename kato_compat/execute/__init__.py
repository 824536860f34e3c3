"""Execution: the flows that answer commands over storages, and the drivers that perform their requests."""
