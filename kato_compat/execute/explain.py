"""explain(): MongoDB's shape first, then ours: SQL, parameters, Redis commands and where each term is answered."""

from typing import Any

from kato_compat.execute.mapped import MappedPlan
from kato_compat.execute.reading import Aggregating, Finding
from kato_compat.execute.storage import Plan, Storage
from kato_compat.execute.table import ScanPlan, TableStorage
from kato_compat.ir.stage import Environment
from kato_compat.parse.command import Aggregate, Find
from kato_compat.plan.show import show
from kato_compat.values.document import Document


def explain_find(storage: Storage, command: Find, address: str) -> Document:
    """How a find will be answered; nothing is read."""
    plan = Finding(storage, command).plan
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


def explain_aggregate(storage: Storage, command: Aggregate, environment: Environment, address: str) -> Document:
    """How a pipeline will be answered; nothing is read."""
    running = Aggregating(storage, command, environment)
    names = [stage.spec.name for stage in command.pipeline.stages]
    if running.plan is None:
        return {"stages": [{name: {}} for name in names], "ok": 1.0}
    found = _explained(storage, running.plan, [], address)
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
    sql = storage.statement(columns, scan.where, scan.limit)
    return sql.text, dict(sql.parameters)


def tree(winning: Document, ours: Document) -> str:
    """The explanation as an indented text for people."""
    lines: list[str] = []
    depth = 0
    node: Document | None = winning
    while node is not None:
        lines.append("  " * depth + node["stage"] + (f"  {node['filter']}" if "filter" in node else ""))
        node = node.get("inputStage")
        depth += 1
    for each in ours["placements"]:
        lines.append("  " * depth + f"{each['where']:<7} {each['term']}: {each['reason']}")
        if "sql" in each:
            lines.append("  " * depth + f"        {each['sql']}")
    if "sql" in ours:
        lines.append("  " * depth + f"scan    {ours['sql']}")
    lines.append("  " * depth + f"python  {ours['residual']}")
    return "\n".join(lines)
