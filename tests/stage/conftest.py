"""A deployment of collections in a dict, and a function that runs a pipeline over it."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.pipeline import ListReader, PipelineReader, drain
from kato_compat.ir.expression import Frame, new_frame
from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Documents, Environment, MergeOptions, Pipeline, Reader
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline
from kato_compat.values.document import fresh, normalise, normalise_value
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import getter, split


def run_flow(flow: Generator[Any, Any, Any]) -> Any:
    """The result of a flow that makes no request."""
    with pytest.raises(StopIteration) as stop:
        next(flow)
    return stop.value.value


class Source(ListReader):
    """A reader that remembers whether it was closed."""

    closed = False

    def close(self) -> Flow[None]:
        self.closed = True
        yield from super().close()


class Deployment:
    """`Collections` over lists of documents; `reads` are the (collection, number of stages) that were read.

    `sources` are the readers that were opened.
    """

    def __init__(self, collections: dict[str, Documents], **options: Any) -> None:
        self.data = {name: [normalise(each) for each in documents] for name, documents in collections.items()}
        self.unique: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
        self.reads: list[tuple[str, int]] = []
        self.sources: list[Source] = []
        self.environment = Environment("db", "c", self, **options)

    def open(self, database: str, collection: str, pipeline: Pipeline, frame: Frame | None = None) -> Flow[Reader]:
        yield from ()
        self.reads.append((collection, len(pipeline.stages)))
        environment = replace(self.environment, collection=collection, frame=frame or new_frame())
        source = Source(list(self.data.get(collection, [])))
        self.sources.append(source)
        return PipelineReader(source, pipeline, environment)

    def read(self, database: str, collection: str, pipeline: Pipeline, frame: Frame | None = None) -> Flow[Documents]:
        return (yield from drain((yield from self.open(database, collection, pipeline, frame))))

    def replace_all(self, database: str, collection: str, documents: Documents) -> Flow[None]:
        yield from ()
        self.data[collection] = [normalise(each) for each in documents]

    def statistics(self, database: str, collection: str) -> Flow[dict[str, Any]]:
        yield from ()
        indexes = {"_id_": {"v": 2, "key": [("_id", 1)]}}
        return {"count": len(self.data.get(collection, [])), "size": 100, "indexes": indexes}

    def check_merge(self, database: str, collection: str, options: MergeOptions) -> Flow[bool]:
        yield from ()
        if options.on == ("_id",):
            return True
        for fields, sparse in self.unique.get(collection, []):
            if sorted(fields) == sorted(options.on):
                return not sparse
        raise fail(51183, "Cannot find index to verify that join fields will be unique")

    def merge(self, database: str, collection: str, documents: Documents, options: MergeOptions) -> Flow[None]:
        yield from ()
        held = self.data.setdefault(collection, [])
        for document in documents:
            keys = [_key(each, options.on) for each in held]
            key = _key(document, options.on)
            if key in keys:
                position = keys.index(key)
                held[position] = normalise(_merged(held[position], document, options))
            elif options.when_not_matched == "insert":
                held.append(normalise(document))
            elif options.when_not_matched == "fail":
                raise fail(13113, "$merge could not find a matching document")


def _key(document: dict[str, Any], on: tuple[str, ...]) -> list[Any]:
    values = [getter(split(path))(document) for path in on]
    return [None if value is MISSING else equality_key(value) for value in values]


def _merged(target: dict[str, Any], document: dict[str, Any], options: MergeOptions) -> dict[str, Any]:
    match options.when_matched:
        case "replace":
            return {"_id": target["_id"], **document}
        case "merge":
            return {**target, **document}
        case "pipeline":
            assert options.update is not None
            return options.update(target, document)
        case "fail":
            raise fail(11000, "E11000 duplicate key error")
    return target


def aggregate(
    documents: Documents,
    pipeline: list[Any],
    others: dict[str, Documents] | None = None,
    *,
    deployment: Deployment | None = None,
    let: dict[str, Any] | None = None,
    **options: Any,
) -> Documents:
    """What `pipeline` gives over a collection ``c`` of `documents`, `others` being its neighbours."""
    if deployment is None:
        deployment = Deployment({**(others or {}), "c": documents}, **options)
    parsed = parse_pipeline(normalise_value(pipeline), Context(database="db", constants=let or {}))
    start = [] if parsed.stages and parsed.stages[0].source else deployment.data["c"]
    reader = PipelineReader(ListReader(start), parsed, deployment.environment)
    return [fresh(each) for each in run_flow(drain(reader))]


Aggregate = Callable[..., Documents]


@pytest.fixture(name="aggregate")
def aggregate_fixture() -> Aggregate:
    """See `aggregate`."""
    return aggregate


@pytest.fixture(name="deployment")
def deployment_fixture() -> type[Deployment]:
    """The class of deployments."""
    return Deployment


@pytest.fixture(name="code_of")
def code_of_fixture() -> Callable[..., int | None]:
    """The code of the error that a pipeline raises, over one document if no others are given."""

    def code_of(pipeline: list[Any], documents: Documents | None = None, **options: Any) -> int | None:
        with pytest.raises(OperationFailure) as failure:
            aggregate([{"_id": 1}] if documents is None else documents, pipeline, **options)
        return failure.value.code

    return code_of
