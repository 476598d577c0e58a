"""Prints the newest measured drills as the Markdown table of the README.

.venv/bin/python -m benchmarks.table
"""

import json
from pathlib import Path
from typing import Any

from cli.drill.faults import FAULTS

RESULTS = Path(__file__).resolve().parent / "results"
KINDS = tuple(FAULTS)


def newest(kind: str) -> tuple[str, dict[str, Any]]:
    """Date and summary of the newest record of a kind. Raises FileNotFoundError without one."""
    records = sorted(RESULTS.glob(f"*/drill-postgres-{kind}.json"))
    if not records:
        raise FileNotFoundError(f"no record of {kind} in {RESULTS}")
    summary: dict[str, Any] = json.loads(records[-1].read_text())["kinds"][0]
    return records[-1].parent.name, summary


def row(kind: str) -> str:
    """One line of the table."""
    date, found = newest(kind)
    outage = found["outage_seconds"]
    seconds = " | ".join(f"{outage[key]:.2f} s" for key in ("p50", "p95", "max"))
    return (
        f"| {kind} | {found['runs']} | {seconds} | {found['acked']:,} | {found['lost']} "
        f"| {found['recovered']} | {date} |"
    )


def table() -> str:
    """Markdown, all kinds."""
    head = "| drill | runs | outage p50 | p95 | max | acknowledged | lost | healed | on |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|---|", *map(row, KINDS)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
