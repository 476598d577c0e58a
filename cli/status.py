"""selfmonitor status"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import click

from cli.backup_state import look
from cli.cluster import Cluster, open_cluster
from cli.errors import OperationFailed
from cli.figures import seconds_since, span
from cli.health import reasons

WATCH_SECONDS = 2
# The parts of the backup service, and those of them that say something of themselves.
BACKUP = ("vault", "vault-copy", "backup", "replication", "restore-test", "side")
BACKUP_SPEAKERS = ("backup", "replication", "restore-test")
# The archiver and the copy are looked at every few seconds; what is older is not known.
STALE_SECONDS = 120


def others(cluster: Cluster) -> list[dict[str, str]]:
    """Those that do not speak for themselves: {name, workload, state} by the platform's word."""
    result = []
    for container in cluster.containers():
        if container.workload in ("postgres", "redis", "sentinel"):
            continue
        state = container.state
        if state == "running":
            state = container.health or state
        result.append({"name": container.member, "workload": container.workload, "state": state})
    return result


def collect(cluster: Cluster) -> dict[str, Any]:
    """What `status -o json` prints."""
    with ThreadPoolExecutor(max_workers=1 + len(BACKUP_SPEAKERS)) as pool:
        asked = pool.submit(cluster.redis_status)
        noted = [pool.submit(look, cluster, workload) for workload in BACKUP_SPEAKERS]
        postgres = cluster.postgres_status()
        redis = asked.result()
        notes = [each.result() for each in noted]
    rest = others(cluster)
    backup = backup_part([each for each in rest if each["workload"] in BACKUP], notes)
    limit = cluster.project.settings.backup.second_region_lag_seconds
    why = reasons(postgres, redis, rest, backup, limit)
    return {
        "stack": cluster.stack,
        "healthy": not why,
        "reasons": why,
        "postgres": {
            "leader": postgres.leader,
            "members": [asdict(member) for member in postgres.members],
        },
        "redis": {
            "leader": redis.leader,
            "members": [asdict(member) for member in redis.members],
            "sentinels": [asdict(sentinel) for sentinel in redis.sentinels],
        },
        "consensus": [each for each in rest if each["workload"] == "etcd"],
        "routers": [each for each in rest if each["workload"] == "router"],
        "events": [each for each in rest if each["workload"] == "events"],
        "backup": backup,
        "endpoints": cluster.endpoints(),
    }


def backup_part(members: list[dict[str, str]], notes: list[dict[str, Any]]) -> dict[str, Any]:
    """How backups are, from what the parts noted of themselves.

    {"members", "archiver": … | None, "copy": … | None, "last": {kind: the newest ended run},
    "tested": the newest restore test that came to a result | None}
    """
    found: dict[str, Any] = {"members": members, "archiver": None, "copy": None, "last": {}}
    found["tested"] = None
    for note in notes:
        for part in ("archiver", "copy"):
            if part in note:
                found[part] = _fresh(note[part])
        for kind, record in (note.get("last") or {}).items():
            found["last"][kind] = _run(record)
        if "tested" in note:
            found["tested"] = _run(note["tested"])
    return found


def _run(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record.get(name) for name in ("started", "ended", "result", "bytes", "error")}


def _fresh(note: dict[str, Any]) -> dict[str, Any]:
    age = seconds_since(note.get("time"))
    if age is None or age < STALE_SECONDS:
        return note
    return {**note, "state": "unknown", "message": f"nobody has looked for {span(age)}"}


def _lag(lag_bytes: int | None) -> str:
    if lag_bytes is None:
        return ""
    return f"{lag_bytes} B" if lag_bytes < 1024 else f"{lag_bytes / 1024:.0f} KiB"


def render(status: dict[str, Any]) -> Any:
    """A table of it for a person."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    good = "green" if status["healthy"] else "red"
    head = Text.assemble(
        "stack ",
        (status["stack"], "bold"),
        "  ",
        ("healthy" if status["healthy"] else "NOT HEALTHY", good),
    )
    why = [Text(f"  {each}", "red") for each in status["reasons"]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("member", "role", "state", "timeline", "lag", "synchronous"):
        table.add_column(title, justify="right" if title in ("timeline", "lag") else "left")
    for member in status["postgres"]["members"]:
        fine = member["state"] in ("running", "streaming")
        table.add_row(
            member["name"],
            Text(member["role"], style="bold" if member["role"] == "primary" else ""),
            Text(member["state"], style="green" if fine else "red"),
            str(member["timeline"] or ""),
            _lag(member["lag_bytes"]),
            "yes" if member["synchronous"] else "",
        )
    backup = status["backup"]
    rest = (*status["consensus"], *status["routers"], *status["events"], *backup["members"])
    for each in rest:
        fine = each["state"] == "healthy"
        role = "consensus" if each["workload"] == "etcd" else each["workload"]
        table.add_row(
            each["name"], role, Text(each["state"], style="green" if fine else "red"), "", "", ""
        )
    ends = status["endpoints"]
    where = Text(
        f"read and write  {'  '.join(ends['read_write'])}\n"
        f"read only       {'  '.join(ends['read_only'])}\n"
        f"Redis           {'  '.join(ends['redis'])}"
    )
    parts = [head, *why, "", table, "", _redis_table(status["redis"]), ""]
    if backup["members"]:
        parts += [_backup_lines(backup), ""]
    return Group(*parts, where)


def _backup_lines(backup: dict[str, Any]) -> Any:
    from rich.text import Text

    from cli.backup import archiver_line, copy_line

    lines = [("archive         ", archiver_line(backup["archiver"]))]
    if any(each["workload"] == "replication" for each in backup["members"]):
        lines.append(("second copy     ", copy_line(backup["copy"])))
    runs = {kind: _last_run(run) for kind, run in backup["last"].items()}
    lines.append(("restore test    ", runs.pop("restore-test", "none yet")))
    made = ", ".join(f"{kind} {run}" for kind, run in sorted(runs.items()))
    lines.append(("last backups    ", made or "none yet"))
    text = Text()
    for number, (title, line) in enumerate(lines):
        wrong = any(word in line for word in ("failing", "stuck", "failed", "interrupted"))
        text.append("\n" if number else "").append(title).append(line, "red" if wrong else "")
    return text


def _last_run(run: dict[str, Any]) -> str:
    ago = f"{span(seconds_since(run['ended']))} ago"
    if run["result"] == "ok":
        return ago
    return f"{run['result']} {ago} ({run['error'] or 'no reason given'})"


def _redis_table(redis: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("member", "role", "state", "lag", "memory", "kept"):
        table.add_column(title, justify="right" if title in ("lag", "memory") else "left")
    for member in redis["members"]:
        fine = member["state"] in ("running", "in step")
        kept = member["persistence"]
        table.add_row(
            member["name"],
            Text(member["role"], style="bold" if member["role"] == "primary" else ""),
            Text(member["state"], style="green" if fine else "red"),
            _lag(member["lag_bytes"]),
            _memory(member["memory_bytes"], member["memory_limit_bytes"]),
            Text(_kept(member), style="" if kept == "ok" else "red"),
        )
    for sentinel in redis["sentinels"]:
        fine = sentinel["quorum"] and sentinel["primary"] == redis["leader"] is not None
        word = f"{sentinel['primary'] or 'no primary'}, "
        word += f"quorum of {sentinel['usable']}" if sentinel["quorum"] else "NO QUORUM"
        state = word if sentinel["state"] == "healthy" else sentinel["state"]
        table.add_row(
            sentinel["name"], "sentinel", Text(state, style="green" if fine else "red"), "", "", ""
        )
    return table


def _memory(used: int | None, limit: int | None) -> str:
    if used is None:
        return ""
    mib = 1024 * 1024
    return f"{used / mib:.1f}/{limit / mib:.0f} MiB" if limit else f"{used / mib:.1f} MiB"


def _kept(member: dict[str, Any]) -> str:
    if member["persistence"] is None:
        return ""
    age = member["last_snapshot_seconds"]
    ago = f"{age // 3600} h" if age >= 7200 else f"{age // 60} min" if age >= 120 else f"{age} s"
    return f"{member['persistence']}, {ago} ago"


def _collect_or_explain(cluster: Cluster) -> dict[str, Any]:
    if not cluster.containers():
        raise OperationFailed(
            f"stack {cluster.stack} is not up: ./selfmonitor -s {cluster.stack} up"
        )
    return collect(cluster)


@click.command()
@click.option("-w", "--watch", is_flag=True, help=f"Again every {WATCH_SECONDS} seconds.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def status(context: click.Context, watch: bool, output: str) -> int:
    """Show how the stack is. Exit status 0: healthy, 1: not."""
    cluster = open_cluster(context)
    if watch and output == "json":
        raise click.UsageError("--watch is for people; with -o json call it again instead")
    found = _collect_or_explain(cluster)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0 if found["healthy"] else 1
    from rich.console import Console

    from cli.console import is_plain

    console = Console(no_color=is_plain(), highlight=False)
    if not watch:
        console.print(render(found))
        return 0 if found["healthy"] else 1
    from rich.live import Live

    with Live(render(found), console=console, auto_refresh=False, screen=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(render(_collect_or_explain(cluster)), refresh=True)
