"""Many documents through the codec at once are what each of them is alone."""

import pytest
from bson.errors import InvalidDocument
from bson.son import SON

from kato_compat.values.document import decode_all, encode, encode_all, encode_nested, normalise, normalise_all
from kato_compat.values.equality import same


def test_documents_through_the_codec_together() -> None:
    documents = [normalise({"_id": place, "s": "x" * place, "d": {"a": [place, None, 0.5]}}) for place in range(75)]
    encoded = encode_all(documents)
    assert encoded == [encode(document) for document in documents]
    assert same(decode_all(encoded), documents)
    assert (encode_all([]), decode_all([])) == ([], [])


def test_an_error_is_that_of_the_document() -> None:
    documents = [{"_id": place} for place in range(40)]
    with pytest.raises(InvalidDocument, match="cannot encode object"):
        encode_all([*documents, {"_id": 1, "o": object()}])


def test_large_documents_are_decoded_alone() -> None:
    documents = [{"_id": place, "s": "x" * 600_000} for place in range(3)]
    assert same(decode_all(encode_all(documents)), documents)


def test_fields_keep_their_order() -> None:
    document = SON([("b", 1), ("_id", 2), ("a", (1, 2))])
    assert encode_nested(document) == encode_nested({"b": 1, "_id": 2, "a": [1, 2]})
    assert normalise_all([document, [document]]) == [normalise(document), [normalise(document)]]
    assert list(normalise_all([document])[0]) == ["b", "_id", "a"]
