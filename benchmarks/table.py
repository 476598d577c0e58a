"""Prints the newest measurements as the Markdown tables of the README.

.venv/bin/python -m benchmarks.table
"""

import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

from cli.drill.kinds import KINDS
from cli.drill.vault import KINDS as VAULT_KINDS

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


def vault_row(kind: str) -> str:
    """One line of the vault's table."""
    date, found = newest("vault", kind)
    cells = [
        kind,
        *(str(found[key]) for key in ("runs", "found", "named", "recovered")),
        f"{found['seconds_max']:.0f} s",
        date,
    ]
    return f"| {' | '.join(cells)} |"


def vault_table() -> str:
    """Markdown, all kinds of harm to the vault."""
    head = "| drill vault | runs | found | named | recovered | longest run | on |"
    return "\n".join([head, f"|---|{'--:|' * 5}---|", *map(vault_row, VAULT_KINDS)])


def newest_record(name: str, parts: str) -> tuple[str, dict[str, Any]]:
    """Date and content of the newest record of that name which has that part. Raises
    FileNotFoundError without one.
    """
    for path in sorted(RESULTS.glob(f"*/{name}.json"), reverse=True):
        record: dict[str, Any] = json.loads(path.read_text())
        if parts in record:
            return path.parent.name, record[parts]
    raise FileNotFoundError(f"no record of {name} {parts} in {RESULTS}")


# What stands in the record of a size, and where.
BACKUP_ROWS = {
    "full backup": ("full", "seconds"),
    "differential backup, 5 % changed": ("differential", "seconds"),
    "restore": ("restore", "seconds"),
    "pg_dump": ("dump", "its_default", "dump_seconds"),
    "pg_dump, as many processes": ("dump", "same_processes", "dump_seconds"),
    "pg_restore": ("dump", "its_default", "restore_seconds"),
    "pg_restore, as many processes": ("dump", "same_processes", "restore_seconds"),
}
# The same, of what is not a time: how it is written.
BACKUP_RATIOS = {
    "full backup as fast as pg_dump": ("ratios", "full_times_faster_its_default", "{:.1f} times"),
    "restore as fast as pg_restore": ("ratios", "restore_times_faster_its_default", "{:.1f} times"),
    "commits a second under full backups": ("commits", "ratio", "{:.0%}"),
}

BACKUPS = ("1_gib_ledger", "5_gib_ledger")


def backup_table(sizes: tuple[str, ...] = BACKUPS) -> str:
    """Markdown, seconds of each, one column a size and shape."""
    found = [newest_record("backup", size) for size in sizes]
    titles = [
        f"{size.replace('_gib_', ' GiB, ')} ({date})"
        for size, (date, _) in zip(sizes, found, strict=True)
    ]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'--:|' * len(sizes)}"]
    for name, path in BACKUP_ROWS.items():
        values = [reduce(lambda part, key: part[key], path, each) for _, each in found]
        lines.append(f"| {name} | {' | '.join(f'{value:.1f} s' for value in values)} |")
    for name, (part, key, form) in BACKUP_RATIOS.items():
        shown = [form.format(each[part][key]) for _, each in found]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def recovery_table() -> str:
    """Markdown: what the loss of everything but a vault cost, and how long it took."""
    lines = [
        "| left | acknowledged | lost | the last | lag of the copy | writes again | on |",
        f"|---|{'--:|' * 5}---|",
    ]
    for part, title in (("destroy", "the vault"), ("destroy_copy", "the second copy")):
        date, found = newest_record("recovery", part)
        lag = found["copy_lag_seconds"]
        cells = [
            title,
            f"{found['acked_commits']:,}",
            f"{found['lost_commits']:,}",
            f"{found['lost_seconds']:.1f} s",
            "" if lag is None else f"{lag:.1f} s",
            f"{found['writes_after_seconds']:.0f} s",
            date,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    for each in KINDS:
        print(table(each), end="\n\n")
    for make in (vault_table, backup_table, recovery_table):
        try:
            print(make(), end="\n\n")
        except FileNotFoundError as missing:
            print(missing, file=sys.stderr)
