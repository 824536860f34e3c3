"""Raw documents to typed form: filters, expressions, projections, pipelines, updates, commands."""
