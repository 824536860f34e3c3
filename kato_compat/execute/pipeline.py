"""Running a parsed pipeline over batches: the front of `ir.running` for the execution layer."""

from kato_compat.ir.running import ListReader, PipelineReader, drain

__all__ = ["ListReader", "PipelineReader", "drain"]
