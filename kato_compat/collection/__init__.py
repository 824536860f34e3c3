"""The pymongo face: client, database, collection and cursors with pymongo's names, results and errors."""
