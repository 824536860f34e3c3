"""Planning: which part of a query which engine answers, and why."""
