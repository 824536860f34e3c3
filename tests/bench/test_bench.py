"""The benchmarks run, and both ways of every case give the same answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.bench.__main__ import main
from conformance.bench.measure import Case, Result, measure, table

ROOT = Path(__file__).parents[2]


def rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table's rows, by row."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_medians_of_runs_in_turn() -> None:
    order: list[str] = []
    case = Case("x", lambda: order.append("ours"), lambda: order.append("theirs"), key=lambda answer: answer is None)
    result = measure(case, budget=0)
    assert order == ["ours", "theirs"] * 4
    assert (result.name, result.repetitions, result.same) == ("x", 3, True)
    assert result.ours > 0
    assert result.theirs > 0


def test_answers_that_differ_are_said_to_differ() -> None:
    result = measure(Case("x", lambda: 1, lambda: 2, key=lambda answer: answer), budget=0)
    assert result.same is False
    assert rows(table("t", "b", [result]))[0][-1] == "NO"


def test_ratio_and_table() -> None:
    text = table("Title", "other", [Result("a", 0.002, 0.004, 3, None)])
    assert text.startswith("### Title\n")
    assert rows(text) == [["a", "2.000", "4.000", "0.50", "2.0", "-"]]


def test_evaluator(tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "figures.md"
    text = main(["evaluator", "--documents", "500", "--seconds", "0", "--markdown", str(file)], said.append)
    assert file.read_text(encoding="utf-8") == text
    assert [row[-1] for row in rows(text)] == ["yes"] * 7


@pytest.mark.parametrize(("group", "options"), [("spine", ["--patterns", "300"]), ("writes", ["--writes", "40"])])
def test_groups_on_engines(group: str, options: list[str]) -> None:
    # In a process of its own: chDB opens one folder in a process.
    command = [sys.executable, "-m", "conformance.bench", group, *options, "--seconds", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = [row[-1] for row in rows(done.stdout)]
    if group == "spine":
        # Two tables: without an index and with one.
        assert found == ["yes"] * 11 + ["same answer"] + ["yes"] * 3
    else:
        assert found == ["-"] * 16 + ["yes"] * 2
