"""What pipeline stages read and write of other collections (see `ir.stage.Collections`)."""

from functools import partial

from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.deployment import Deployment
from kato_compat.execute.reading import Aggregating, Documents
from kato_compat.execute.storage import Outcome, Storage
from kato_compat.execute.writing import check_size, insert, update
from kato_compat.ir.expression import Frame, new_frame
from kato_compat.ir.predicate import AtPath, Predicate, conjunction
from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Environment, MergeOptions, Pipeline
from kato_compat.mapping.index import ID_INDEX, duplicate_key
from kato_compat.operators.query.comparison import Eq
from kato_compat.parse.command import Aggregate, Write
from kato_compat.parse.expression import Context
from kato_compat.parse.update import Update, parse_replacement, parse_update, replaced
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import getter, split
from kato_compat.values.validity import check_document


class Foreign:
    """The other collections of a deployment, for one running command."""

    def __init__(self, deployment: Deployment, allow_disk_use: bool = True) -> None:
        self._deployment = deployment
        self._allow_disk_use = allow_disk_use

    def environment(self, database: str, collection: str, frame: Frame | None = None) -> Environment:
        """The environment of a pipeline over a collection."""
        slots = new_frame() if frame is None else frame
        return Environment(database, collection, self, slots, self._allow_disk_use)

    def open(self, database: str, collection: str, pipeline: Pipeline, frame: Frame | None = None) -> Flow[Aggregating]:
        """See `Collections.open`."""
        storage = self._deployment.storage(database, collection)
        return Aggregating(storage, Aggregate(pipeline), self.environment(database, collection, frame))
        yield  # a flow without requests

    def read(self, database: str, collection: str, pipeline: Pipeline, frame: Frame | None = None) -> Flow[Documents]:
        """See `Collections.read`."""
        reader = yield from self.open(database, collection, pipeline, frame)
        found: Documents = []
        while (batch := (yield from reader.fetch())) is not None:
            found.extend(batch)
        return found

    def replace_all(self, database: str, collection: str, documents: Documents) -> Flow[None]:
        """See `Collections.replace_all`. The documents are written aside first: if one fails nothing is replaced.

        A schema-less collection is replaced in one step: readers see all old documents or all new ones.
        """
        target = self._deployment.storage(database, collection)
        name = f"tmp.agg_out.{ObjectId()}"
        aside = self._deployment.storage(database, name)
        prepared = [self._with_id(target, document) for document in documents]
        for document in prepared:
            check_document(document, len(check_size(document, 2)))
        try:
            for index in (yield from target.indexes()):
                if index != ID_INDEX:
                    yield from aside.create_index(index)
            self._check(target, (yield from insert(aside, prepared)))
            yield from aside.create()
            if (yield from target.take(aside, True)) is not None:
                return
            yield from target.create()
            yield from target.clear()
            self._check(target, (yield from insert(target, prepared)))
        finally:
            yield from aside.drop()

    def check_merge(self, database: str, collection: str, options: MergeOptions) -> Flow[bool]:
        """See `Collections.check_merge`."""
        if options.on == ("_id",):
            return True
        storage = self._deployment.storage(database, collection)
        for index in (yield from storage.indexes()):
            if index.unique and set(index.paths) == set(options.on) and "partialFilterExpression" not in index.options:
                return not index.options.get("sparse", False)
        raise fail(51183, "Cannot find index to verify that join fields will be unique")

    def merge(self, database: str, collection: str, documents: Documents, options: MergeOptions) -> Flow[None]:
        """See `Collections.merge`."""
        storage = self._deployment.storage(database, collection)
        context = Context()
        for document in documents:
            terms = []
            for path in options.on:
                value = getter(split(path))(document)
                terms.append(AtPath(split(path), Eq(None if value is MISSING else value)))
            predicate = conjunction(list(terms))
            change = _change(document, options, context)
            seed = partial(change.seed, predicate) if options.when_not_matched == "insert" else None
            written = yield from update(storage, Write(predicate, change, seed=seed))
            if not written.matched and not written.inserted and options.when_not_matched == "fail":
                raise fail(13113, "$merge could not find a matching document in the target collection")

    def statistics(self, database: str, collection: str) -> Flow[Document]:
        """See `Collections.statistics`."""
        storage = self._deployment.storage(database, collection)
        count = yield from storage.count()
        size = yield from storage.size()
        indexes = yield from storage.indexes()
        return {"count": count, "size": size, "indexes": {index.name: index.definition() for index in indexes}}

    @staticmethod
    def _with_id(storage: Storage, document: Document) -> Document:
        return document if "_id" in document else {"_id": storage.identify(document), **document}

    @staticmethod
    def _check(storage: Storage, outcomes: list[Outcome | OperationFailure]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, OperationFailure):
                raise outcome


def _change(document: Document, options: MergeOptions, context: Context) -> Update:
    """The update that `$merge` makes of the target document of `document`, as the server builds it."""
    match options.when_matched:
        case "merge":
            return parse_update({"$set": document}, context)
        case "keepExisting":
            return parse_update({"$setOnInsert": document}, context)
        case "replace":
            return parse_replacement(document, context)
        case _:
            return _Supplied(document, options)


class _Supplied(Update):
    """What inserts the document itself: of ``fail``, and of a pipeline, which changes a target that is there."""

    __slots__ = ("_document", "_options")

    def __init__(self, document: Document, options: MergeOptions) -> None:
        self._document = document
        self._options = options

    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """See `Update.apply`. Raises 11000 for a document that must not be there."""
        new, options = self._document, self._options
        if inserting:
            return replaced(document, new, True)
        if options.update is None:
            raise duplicate_key(ID_INDEX, {path: new.get(path) for path in options.on}, "$merge")
        return replaced(document, options.update(document, new), False)

    def seed(self, predicate: Predicate) -> Document:
        """See `Update.seed`: the document has all fields."""
        return {}
