"""A unique index on the key of a mapped collection holds across the mapped side and the document side."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from conformance.factories import Factory


@pytest.fixture
def predictions(engines: Factory, fresh_name: Callable[[], str]) -> Any:
    """An empty predictions_kb."""
    return engines().database.client[fresh_name()].predictions_kb


def test_an_index_over_two_documents_with_one_key_is_refused(predictions: Any) -> None:
    predictions.insert_many([{"unique_id": "a", "predictions": [1]}, {"unique_id": "a", "predictions": [2]}])
    with pytest.raises(DuplicateKeyError):
        predictions.create_index("unique_id", unique=True)
    assert list(predictions.index_information()) == ["_id_"]


def test_an_update_beside_cannot_take_a_mapped_key(predictions: Any) -> None:
    predictions.create_index("unique_id", unique=True)
    predictions.insert_many([{"unique_id": "a", "predictions": [1]}, {"unique_id": "b", "other": 1}])
    with pytest.raises(DuplicateKeyError) as caught:
        predictions.update_one({"other": 1}, {"$set": {"unique_id": "a"}})
    assert caught.value.details is not None
    assert caught.value.details["keyValue"] == {"unique_id": "a"}
    with pytest.raises(BulkWriteError):
        predictions.bulk_write([UpdateOne({"unique_id": "b"}, {"$set": {"unique_id": "a"}})])
    assert sorted(each["unique_id"] for each in predictions.find()) == ["a", "b"]


def test_a_mapped_document_cannot_be_renamed_to_a_mapped_key(predictions: Any) -> None:
    predictions.create_index("unique_id", unique=True)
    predictions.insert_many([{"unique_id": "a", "predictions": [1]}, {"unique_id": "b", "predictions": [2]}])
    with pytest.raises(DuplicateKeyError):
        predictions.update_one({"unique_id": "b"}, {"$set": {"unique_id": "a"}})
    assert predictions.update_one({"unique_id": "b"}, {"$set": {"unique_id": "c"}}).modified_count == 1
    assert sorted(each["unique_id"] for each in predictions.find()) == ["a", "c"]
