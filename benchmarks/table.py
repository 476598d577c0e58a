"""Prints the newest measured drills as the Markdown tables of the README.

.venv/bin/python -m benchmarks.table
"""

import json
from pathlib import Path
from typing import Any

from cli.drill.kinds import KINDS

RESULTS = Path(__file__).resolve().parent / "results"

PATHS = {"postgres": (), "redis": ("router", "sentinel")}
"""The ways in that have a column of their own: where there is but one, it is the outage."""


def newest(service: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Date and summary of the newest record of a kind. Raises FileNotFoundError without one."""
    records = sorted(RESULTS.glob(f"*/drill-{service}-{kind}.json"))
    if not records:
        raise FileNotFoundError(f"no record of {service} {kind} in {RESULTS}")
    summary: dict[str, Any] = json.loads(records[-1].read_text())["kinds"][0]
    return records[-1].parent.name, summary


def row(service: str, kind: str) -> str:
    """One line of a table."""
    date, found = newest(service, kind)
    seconds = [found["outage_seconds"][key] for key in ("p50", "p95", "max")]
    seconds += [found["outage_seconds_by_path"][path]["p95"] for path in PATHS[service]]
    cells = [
        kind,
        str(found["runs"]),
        *(f"{value:.2f} s" for value in seconds),
        f"{found['acked']:,}",
        str(found["lost"]),
        str(found["recovered"]),
        date,
    ]
    return f"| {' | '.join(cells)} |"


def table(service: str) -> str:
    """Markdown, all kinds of a service."""
    paths = [f"{path} p95" for path in PATHS[service]]
    heads = ["drill", "runs", "outage p50", "p95", "max", *paths, "acknowledged", "lost"]
    head = f"| {' | '.join([*heads, 'healed', 'on'])} |"
    ruler = f"|---|{'--:|' * len(heads)}---|"
    return "\n".join([head, ruler, *(row(service, kind) for kind in KINDS[service])])


if __name__ == "__main__":
    for each in KINDS:
        print(table(each), end="\n\n")
