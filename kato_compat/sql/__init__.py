"""SQL fragments for ClickHouse: text with server-bound parameters, no client."""
