"""Reading another collection from inside a stage."""

from kato_compat.errors import fail
from kato_compat.ir.requests import Flow
from kato_compat.ir.running import ListReader, PipelineReader, drain
from kato_compat.ir.stage import Collections, Documents, Environment, Pipeline, Reader


def collections_of(environment: Environment) -> Collections:
    """The collections of the deployment; raises 115 where a pipeline runs without one."""
    if environment.collections is None:
        raise fail(115, "this pipeline runs without other collections")
    return environment.collections


def open_foreign(environment: Environment, collection: str | None, pipeline: Pipeline) -> Flow[Reader]:
    """A reader of `collection` after `pipeline`; None for a pipeline that makes its documents itself."""
    if collection is None:
        return PipelineReader(ListReader([]), pipeline, environment)
    collections = collections_of(environment)
    return (yield from collections.open(environment.database, collection, pipeline, environment.frame))


def read_foreign(environment: Environment, collection: str | None, pipeline: Pipeline) -> Flow[Documents]:
    """All that `open_foreign` gives."""
    if collection is None:
        return (yield from drain(PipelineReader(ListReader([]), pipeline, environment)))
    collections = collections_of(environment)
    return (yield from collections.read(environment.database, collection, pipeline, environment.frame))


def check_namespace(stage: str, database: str, collection: str) -> None:
    """Raise 73 for what cannot be the name of a collection."""
    if not collection or collection.startswith(".") or "\0" in collection:
        raise fail(73, f"invalid {stage} namespace: {database}.{collection}")
