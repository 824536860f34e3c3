"""explain(): MongoDB's shape first, then ours: SQL, parameters, Redis commands and where each term is answered."""

import re
from typing import Any, Final

from kato_compat.execute.reading import Aggregating, Finding
from kato_compat.execute.storage import Plan, Storage
from kato_compat.execute.table import TableStorage
from kato_compat.execute.union import MappedPlan, ScanPlan
from kato_compat.ir.predicate import ALWAYS
from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Environment
from kato_compat.parse.command import Aggregate, Find
from kato_compat.plan.show import show
from kato_compat.values.document import Document

_NOTHING: Final = show(ALWAYS)
_CLAUSE: Final = re.compile(r" (?=(?:FROM|WHERE|ORDER BY|LIMIT) )")
#: Where terms are answered, in the order that the tree shows; Redis commands that are not here come before PYTHON.
_ORDER: Final = ("KEY", "INDEX", "SQL", "MGET", "HMGET", "HGETALL", "PYTHON")


def explain_find(storage: Storage, command: Find, address: str) -> Flow[Document]:
    """How a find will be answered; nothing is read but, if need be, which indexes there are."""
    plan = yield from Finding(storage, command).planned()
    stages: list[str] = []
    if command.sort is not None and not plan.ordered:
        stages.append("SORT")
    if command.skip:
        stages.append("SKIP")
    if command.limit:
        stages.append("LIMIT")
    if command.projection is not None:
        stages.append("PROJECTION_DEFAULT")
    return _explained(storage, plan, stages, address)


def explain_aggregate(storage: Storage, command: Aggregate, environment: Environment, address: str) -> Flow[Document]:
    """How a pipeline will be answered; see `explain_find`."""
    plan = yield from Aggregating(storage, command, environment).planned()
    names = [stage.spec.name for stage in command.pipeline.stages]
    if plan is None:
        return {"stages": [{name: {}} for name in names], "ok": 1.0}
    found = _explained(storage, plan, [], address)
    found["stages"] = [{"$cursor": found.pop("queryPlanner")}, *[{name: {}} for name in names]]
    return found


def _explained(storage: Storage, plan: Plan, stages: list[str], address: str) -> Document:
    winning: Document = {"stage": plan.path, "filter": show(plan.access.predicate)}
    for name in stages:
        winning = {"stage": name, "inputStage": winning}
    ours: Document = {
        "stores": address,
        "residual": show(plan.residual),
        "placements": [
            {"term": each.term, "where": each.where, "reason": each.reason, **({"sql": each.sql} if each.sql else {})}
            for each in plan.placements
        ],
        **plan.details,
    }
    statement = _statement(storage, plan)
    if statement is not None:
        ours["sql"], ours["parameters"] = statement
    result: Document = {
        "queryPlanner": {
            "namespace": storage.namespace,
            "parsedQuery": show(plan.access.predicate),
            "winningPlan": winning,
            "rejectedPlans": [],
        },
        "kato_compat": ours,
        "ok": 1.0,
    }
    ours["tree"] = tree(winning, ours)
    return result


def _statement(storage: Storage, plan: Plan) -> tuple[str, dict[str, Any]] | None:
    """The SQL of a scan and its parameters, None where no scan is made."""
    if not isinstance(storage, TableStorage) or not isinstance(plan.private, MappedPlan):
        return None
    scan = plan.private.private
    if not isinstance(scan, ScanPlan):
        return None
    columns = [] if scan.late else [name for name in storage.spec.columns if name in plan.private.fields]
    sql = storage.scan(columns, scan)
    return sql.text, dict(sql.parameters)


def tree(winning: Document, ours: Document) -> str:
    """The explanation as an indented text for people: stages, what is answered where, the statement."""
    lines: list[str] = []
    node: Document | None = winning
    while node is not None:
        filtered = f"  {node['filter']}" if node.get("filter", _NOTHING) != _NOTHING else ""
        lines.append("  " * len(lines) + node["stage"] + filtered)
        node = node.get("inputStage")
    placements = sorted(ours["placements"], key=lambda each: _rank(each["where"]))
    width = max((len(each["term"]) for each in placements), default=0)
    before = ""
    for each in placements:
        where = each["where"] if each["where"] != before else ""
        before = each["where"]
        lines.append(f"  {where:<7} {each['term']:<{width}}  {each['reason']}")
        if "sql" in each:
            lines.append(f"  {'':<7} {'':<{width}}  {each['sql']}")
    if "flush" in ours:
        lines.append(f"  flush   {ours['flush']}")
    if "sql" in ours:
        clauses = _CLAUSE.split(ours["sql"])
        lines.append(f"  scan    {clauses[0]}")
        lines.extend(f"          {each}" for each in clauses[1:])
        lines.extend(f"            {name} = {value!r}" for name, value in ours["parameters"].items())
    return "\n".join(lines)


def _rank(where: str) -> int:
    """The order of reading: what pins or filters first, then what is fetched, then what is left."""
    return _ORDER.index(where) if where in _ORDER else len(_ORDER) - 1
