"""The stores: the only modules that talk to ClickHouse, Redis and Valkey, and the only ones that import a client.

Client libraries are imported when a store is first used, never when this package is imported.
"""
