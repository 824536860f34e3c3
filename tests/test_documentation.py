"""The documentation's Python examples run, and its links lead somewhere."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_LINK: Final = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.M)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "kato.md"], ids=lambda page: page.name)
def test_python_examples_run(page: Path, embedded_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KATO_COMPAT_CLICKHOUSE", raising=False)
    monkeypatch.delenv("KATO_COMPAT_REDIS", raising=False)
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        # One process has one folder: the examples' folders are this one.
        source = block.replace("embedded:///path", f"embedded://{embedded_path}")
        source = source.replace("MongoClient()", f'MongoClient("embedded://{embedded_path}")')
        exec(compile(source, page.name, "exec"), names)
