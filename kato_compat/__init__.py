"""Collections with pymongo's API whose documents live in ClickHouse and Redis."""
