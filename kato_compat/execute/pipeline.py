"""Running a parsed pipeline over batches: the front of `ir.running` for the execution layer."""

from kato_compat.ir.running import BATCH, ListReader, PipelineReader, drain, prepared, run

__all__ = ["BATCH", "ListReader", "PipelineReader", "drain", "prepared", "run"]
