"""What PostgreSQL says of how it will, or did, carry out a query."""

import json
from typing import Any

from django.db import connection


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def explain(query: str, parameters: Any = None, *, run: bool = False) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"explain ({'analyze, buffers, ' if run else ''}format json) {query}", parameters)
        answer = cursor.fetchone()[0]
    return nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def pages(plan: list[dict[str, Any]]) -> int:
    """The pages of 8 kB that it looked at, in memory or on disk."""
    return int(plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"])


def looked_at(plan: list[dict[str, Any]]) -> int:
    """The rows that it read from tables, each time that it read them."""
    scans = [node for node in plan if "Relation Name" in node]
    return int(sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans))
