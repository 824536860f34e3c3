"""Where a client's data are, what its configuration says, and its end."""

import os
import subprocess
import sys
from pathlib import Path

import pymongo
import pytest
from bson.codec_options import CodecOptions
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure

from kato_compat import MongoClient
from kato_compat.execute.deployment import EngineDeployment, MemoryDeployment

CLICKHOUSE = "http://reader:secret@127.0.0.1:1/some"
REDIS = "redis://:hidden@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration from outside."""
    for name in ("KATO_COMPAT_CLICKHOUSE", "KATO_COMPAT_REDIS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("host", ["mongodb://localhost:27017", "mongodb://a,b/db?w=1", "localhost", ["a", "b"]])
def test_a_url_without_stores_says_how(host: str | list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"clickhouse=.*KATO_COMPAT_CLICKHOUSE.*embedded:///path"):
        MongoClient(host)


def test_a_url_with_stores_is_accepted() -> None:
    client = MongoClient("mongodb://localhost:27017/mine?w=0&tz_aware=true", clickhouse=CLICKHOUSE, redis=REDIS)
    assert isinstance(client.deployment, EngineDeployment)
    assert client.get_database().name == client.get_default_database().name == "mine"
    assert not client.write_concern.acknowledged
    assert client.codec_options == CodecOptions(tz_aware=True)
    assert "127.0.0.1:1" in repr(client)
    for secret in ("secret", "hidden"):
        assert secret not in repr(client)
        assert secret not in str(client.topology_description)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_COMPAT_CLICKHOUSE", CLICKHOUSE)
    with pytest.raises(ConfigurationError, match="set both"):
        MongoClient()
    monkeypatch.setenv("KATO_COMPAT_REDIS", REDIS)
    for client in (MongoClient(), MongoClient("mongodb://localhost"), MongoClient("localhost", 27017)):
        assert isinstance(client.deployment, EngineDeployment)
        assert "127.0.0.1:1" in client.deployment.describe()
    assert isinstance(MongoClient("memory://").deployment, MemoryDeployment)


@pytest.mark.parametrize("given", [{"clickhouse": CLICKHOUSE}, {"redis": REDIS}])
def test_one_store_is_not_enough(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        MongoClient(**given)  # type: ignore[arg-type]


def test_bad_configuration() -> None:
    with pytest.raises(ConfigurationError, match="Unknown option"):
        MongoClient("memory://", maxPolSize=3)
    with pytest.raises(ValueError, match="maxPoolSize"):
        MongoClient("memory://", maxPoolSize="x")
    with pytest.raises(ConfigurationError, match="stored unencrypted"):
        MongoClient("memory://", auto_encryption_opts=object())
    with pytest.raises(ValueError, match="layout"):
        MongoClient("memory://", layout="rows")
    with pytest.raises(ConfigurationError, match="embedded:///path"):
        MongoClient("embedded://")
    with pytest.raises(TypeError):
        MongoClient("memory://", "27017")  # type: ignore[arg-type]
    with MongoClient("memory://") as client, pytest.raises(ConfigurationError, match="No default database"):
        client.get_database()


def test_after_close() -> None:
    client = MongoClient("memory://")
    client.db.c.insert_one({"_id": 1})
    cursor = client.db.c.find()
    with client:
        pass
    for call in (
        lambda: client.db.c.find_one(),
        lambda: client.db.c.insert_one({}),
        lambda: cursor.next(),
        lambda: client.list_database_names(),
        lambda: client.admin.command("ping"),
        lambda: client.server_info(),
        lambda: client.db.c.count_documents({}),
    ):
        with pytest.raises(InvalidOperation, match="Cannot use MongoClient after close"):
            call()
    client.close()


def test_memory_clients_share_nothing() -> None:
    with MongoClient("memory://") as one, MongoClient("memory://") as other:
        one.db.c.insert_one({})
        assert other.list_database_names() == []
        assert one != other
        assert one == one.db.client


def test_timeouts_reach_embedded_engines(embedded_path: Path) -> None:
    times = {"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 5000, "socketTimeoutMS": 5000}
    with MongoClient(f"embedded://{embedded_path}", **times) as client:
        assert client.admin.command("ping") == {"ok": 1.0}


def test_databases(embedded_path: Path) -> None:
    for host in ("memory://", f"embedded://{embedded_path}"):
        with MongoClient(host) as client:
            client.face_listing.c.insert_one({"a": 1})
            (found,) = [each for each in client.list_databases() if each["name"] == "face_listing"]
            assert found["sizeOnDisk"] > 0
            assert found["empty"] is False
            names = [each["name"] for each in client.admin.command("listDatabases")["databases"]]
            assert "face_listing" in names
            assert names == sorted(names)
            with pytest.raises(OperationFailure):
                client.other.command("listDatabases")
            client.drop_database(client.face_listing)
            assert "face_listing" not in client.list_database_names()
            with pytest.raises(TypeError):
                client.drop_database(3)


INSTALLED = """
import kato_compat
kato_compat.install()
import pymongo
from pymongo import MongoClient
from pymongo.mongo_client import MongoClient as Same
from pymongo.errors import ConfigurationError
assert MongoClient is Same is pymongo.MongoClient is kato_compat.MongoClient
with MongoClient("memory://") as client:
    client.kb.patterns_kb.update_one({"name": "n"}, {"$inc": {"frequency": 1}}, upsert=True)
    assert client["kb"].patterns_kb.find_one({"name": "n"}, {"_id": 0}) == {"name": "n", "frequency": 1}
try:
    MongoClient("mongodb://localhost:27017")
except ConfigurationError:
    print("installed")
"""


def test_install() -> None:
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    for name in ("KATO_COMPAT_CLICKHOUSE", "KATO_COMPAT_REDIS"):
        environment.pop(name, None)
    command = [sys.executable, "-W", "error", "-c", INSTALLED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("installed\n", "")
    assert pymongo.MongoClient is not MongoClient
