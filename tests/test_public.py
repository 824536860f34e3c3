"""The public front: what is exported, and what a wheel holds."""

import ast
import email
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pymongo
import pytest

import kato_compat

ROOT: Final = Path(__file__).parents[1]


def test_all_is_what_the_front_imports_and_defines() -> None:
    tree = ast.parse((ROOT / "kato_compat" / "__init__.py").read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.ImportFrom(names=imported):
                names.update(alias.asname or alias.name for alias in imported)
            case ast.FunctionDef(name) | ast.ClassDef(name):
                names.add(name)
    assert sorted(kato_compat.__all__) == sorted(name for name in names if not name.startswith("_"))
    assert list(kato_compat.__all__) == sorted(kato_compat.__all__)


@pytest.mark.parametrize("name", kato_compat.__all__)
def test_exported_names_are_there_and_documented(name: str) -> None:
    assert getattr(kato_compat, name).__doc__


def test_star_import_gives_exactly_all() -> None:
    names: dict[str, object] = {}
    exec("from kato_compat import *", names)
    assert sorted(names.keys() - {"__builtins__"}) == sorted(kato_compat.__all__)


def test_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:\.dev\d+|rc\d+)?", kato_compat.__version__)


def test_install_takes_pymongos_place() -> None:
    code = (
        "import kato_compat; kato_compat.install()\n"
        "from pymongo import MongoClient\n"
        "from pymongo.mongo_client import MongoClient as second\n"
        "assert MongoClient is second is kato_compat.MongoClient\n"
        "print(MongoClient('memory://').kb.symbols.count_documents({}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert pymongo.MongoClient is not kato_compat.MongoClient


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built by the backend that pyproject.toml names."""
    pytest.importorskip("hatchling", reason="wheels are built where the build backend is installed")
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


def test_wheel_holds_the_package_its_text_its_types_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (described,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(described))
    assert "kato_compat/py.typed" in names
    assert "kato_compat/cli/data/pride_and_prejudice.txt.gz" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert metadata["Name"] == "kato-compat"
    assert metadata["Version"] == kato_compat.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kato_compat").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
