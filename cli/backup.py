"""selfmonitor backup"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import click

from cli import backup_inside
from cli.cluster import Cluster, open_cluster
from cli.confirm import confirm
from cli.errors import OperationFailed, UserError
from cli.figures import moment, seconds_since, shown, size, span
from cli.point import fixed

OVERWRITE = (
    "This puts back every object that was in the vault of stack {stack} at {to} and is another one "
    "now, the lists of backups included. Nothing is removed: a rewind to a later time undoes it."
)
KINDS = ("full", "differential", "logical", "redis")

HEADINGS = ("kind", "label", "started (UTC)", "took", "size", "stored", "result", "verified")


@click.group()
def backup() -> None:
    """Back up now, list backups, show how far back one can go, show the keys."""


# Now.


def say(record: dict[str, Any]) -> str:
    """A run's record in one line."""
    parts = [str(record.get("kind", "")), label(record)]
    parts += [size(record.get("bytes")), span(took(record))]
    line = "  ".join(part for part in parts if part)
    if record.get("result") == "ok":
        return f"✓ {line}"
    return f"✗ {line}  {record.get('result')}: {record.get('error') or 'no reason given'}"


def label(record: dict[str, Any]) -> str:
    """What a backup is called: pgBackRest's own label, or the run's id."""
    found = record.get("label") or (record.get("details") or {}).get("label") or record.get("id")
    return str(found or "")


def took(record: dict[str, Any]) -> float | None:
    """Seconds from begin to end; None while it runs."""
    try:
        return (moment(record["ended"]) - moment(record["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def run_job(cluster: Cluster, workload: str, kind: str, *options: str) -> backup_inside.Outcome:
    """Runs a job and shows how far it is. Raises UserError for what it was asked wrongly, and
    OperationFailed when it runs already or left no record.
    """
    from cli.progress import Bytes

    container = backup_inside.find(cluster, workload)
    with Bytes(kind) as progress:
        outcome = backup_inside.run(container, "run", kind, *options, on_progress=progress)
    if outcome.status == backup_inside.ALREADY_RUNNING:
        raise OperationFailed(outcome.message or f"a run of {kind} is under way already")
    if outcome.record is None:
        outcome.require_success()
        raise OperationFailed(f"{outcome.member} left no record of the run")
    return outcome


@backup.command()
@click.option("--kind", type=click.Choice(KINDS), default="differential", show_default=True)
@click.pass_context
def now(context: click.Context, kind: str) -> int:
    """Make one backup now, besides the scheduled ones. Ctrl-C ends it.

    full and differential are of PostgreSQL (pgBackRest), logical is a dump of every database, redis
    a snapshot. Exit status 1: it failed, or one of its kind is under way.
    """
    outcome = run_job(open_cluster(context), "backup", kind)
    record = dict(outcome.record or {})
    click.echo(say(record), err=record.get("result") != "ok")
    return 0 if outcome.status == 0 else 1


# List.


# Rewind.


@backup.command()
@click.option("--to", required=True, metavar="TIME", help="A moment before the damage.")
@click.option("--yes", is_flag=True, help="Do not ask for the stack's name.")
@click.pass_context
def rewind(context: click.Context, to: str, yes: bool) -> None:
    """Put back what was deleted or overwritten in the vault since a moment.

    Every version is still there beneath; `verify-restore` proves afterwards that it restores.
    """
    from cli.progress import Bytes

    cluster = open_cluster(context)
    point = fixed(to)
    try:
        moment(point)
    except ValueError:
        raise UserError(
            f'{to!r} is no time: give one such as 2026-11-23T14:05:00Z, or "10 minutes ago"'
        ) from None
    warning = OVERWRITE.format(stack=cluster.stack, to=shown(point))
    confirm(cluster.stack, warning, "nothing was put back", yes=yes)
    container = backup_inside.find(cluster, "backup")
    with Bytes("rewind") as progress:
        outcome = backup_inside.run(container, "rewind", "--to", point, on_progress=progress)
    [found] = outcome.require_success().answers
    click.echo(
        f"{found['restored']} objects put back ({size(found['bytes'])}); {found['left']} that came "
        f"later left alone: ./selfmonitor -s {cluster.stack} verify-restore proves the rest"
    )


# Wide enough for every line where there is no terminal to fit it to.
PLAIN_WIDTH = 240

# pgBackRest's words, and the jobs'.


def verified(row: dict[str, Any]) -> str:
    """What was looked at when it was made, in a word."""
    found = row.get("verified") or ()
    wrong = [str(each.get("what")) for each in found if not each.get("result")]
    if wrong:
        return f"NOT: {', '.join(wrong)}"
    return ", ".join(str(each.get("what")) for each in found)


def rows(backups: list[dict[str, Any]], records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Backups that are there and runs that left none, newest first.

    {"kind", "label", "started", "ended", "bytes": of the data | None, "stored_bytes", "result",
    "verified", "error"}
    """
    runs = [each for each in records if each.get("kind") in KINDS]
    found, matched = [], set()
    for each in backups:
        run = _run_of(each, runs)
        matched.add((run or {}).get("id"))
        found.append(
            {
                **{name: each.get(name) for name in ("kind", "label", "started", "ended", "bytes")},
                "stored_bytes": each.get("repo_bytes"),
                "result": each.get("result"),
                "verified": each.get("verified") or [],
                "error": (run or {}).get("error"),
            }
        )
    for each in runs:
        if each.get("result") != "ok" and each.get("id") not in matched:
            found.append(
                {
                    **{name: each.get(name) for name in ("kind", "started", "ended", "bytes")},
                    "label": label(each),
                    "stored_bytes": None,
                    "result": each.get("result") or "running",
                    "verified": each.get("verified") or [],
                    "error": each.get("error"),
                }
            )
    return sorted(found, key=lambda each: str(each["started"] or ""), reverse=True)


def _run_of(one: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The run that made a backup: it says the label, or was under way when the backup began."""
    for run in runs:
        if (run.get("details") or {}).get("label") == one.get("label"):
            return run
    for run in runs:
        if run.get("kind") == one.get("kind") and _began_during(one, run):
            return run
    return None


def _began_during(one: dict[str, Any], run: dict[str, Any]) -> bool:
    try:
        # Labels are in whole seconds.
        begun = moment(run["started"]) - timedelta(seconds=1)
        return begun <= moment(one["started"]) <= moment(run["ended"])
    except (KeyError, TypeError, ValueError):
        return False


def listed(cluster: Cluster) -> tuple[list[dict[str, Any]], list[str]]:
    """What there is, as `rows`, and what could not be looked at, one line each."""
    container = backup_inside.find(cluster, "backup")
    with ThreadPoolExecutor(max_workers=2) as pool:
        asked = pool.submit(backup_inside.ask, container, "records")
        backups = backup_inside.ask(container, "list").require_success().answers
        records = asked.result()
    there = [each for answer in backups for each in answer.get("list") or ()]
    complaints = [records.message] if records.message else []
    return rows(there, [dict(each) for each in records.records]), complaints


@backup.command(name="list")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def list_(context: click.Context, output: str) -> None:
    """Show what was backed up, newest first; runs that failed as well."""
    found, complaints = listed(open_cluster(context))
    for line in complaints:
        click.echo(f"selfmonitor: {line}", err=True)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cli.console import is_plain

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in HEADINGS:
        right = title in ("took", "size", "stored")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for each in found:
        colour = {"ok": "green", "running": ""}.get(each["result"], "red")
        table.add_row(
            each["kind"],
            str(each["label"] or ""),
            shown(each["started"]),
            span(took(each)),
            size(each["bytes"]),
            size(each["stored_bytes"]),
            Text(each["result"], style=colour),
            verified(each),
        )
    # A file or a program reads whole lines.
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    Console(no_color=is_plain(), highlight=False, width=width).print(table)


# Info.


def collect(cluster: Cluster) -> dict[str, Any]:
    """What `backup info -o json` prints: what backup-1 says, and how far behind the copy is."""
    container = backup_inside.find(cluster, "backup")
    with ThreadPoolExecutor(max_workers=1) as pool:
        copy = pool.submit(_copy, cluster)
        outcome = backup_inside.ask(container, "info")
        behind = copy.result()
    if not outcome.answers:
        # It tells what it can, and fails when it cannot tell all.
        outcome.require_success()
        raise OperationFailed(f"{outcome.member} says nothing: ./selfmonitor logs {outcome.member}")
    found = dict(outcome.answers[-1])
    found["copy"] = behind or found.get("copy")
    return found


def _copy(cluster: Cluster) -> dict[str, Any] | None:
    """What replication-1 last noted; None when there is no second region or it does not run."""
    from cli.backup_state import look

    return look(cluster, "replication").get("copy")


def _window(found: dict[str, Any]) -> list[str]:
    window = found.get("window")
    if not window:
        why = found.get("window_error") or "no backup is in the vault yet"
        return [f"recoverable   NO: {why}"]
    begin, end = window["begin"], window["end"]
    return [
        f"recoverable   from {shown(begin)} UTC ({span(seconds_since(begin))} ago)",
        f"              to   {shown(end)} UTC ({span(seconds_since(end))} ago)",
    ]


def _newest(found: dict[str, Any]) -> str:
    backups = found.get("backups") or []
    if not backups:
        return "none"
    last = max(backups, key=lambda each: str(each.get("stop") or ""))
    parts = [f"{last.get('type', '')} {last.get('label', '')}".strip()]
    parts.append(f"{span(seconds_since(last.get('stop')))} ago")
    if last.get("bytes") is not None:
        parts.append(f"{size(last['bytes'])}, {size(last.get('repo_bytes'))} in the vault")
    return ", ".join(parts)


def archiver_line(archiver: dict[str, Any] | None) -> str:
    """ok, last segment 12 s ago; or what is wrong."""
    if not archiver:
        return "unknown"
    line = str(archiver.get("state") or "unknown")
    if archiver.get("last_archived_at"):
        line += f", last segment {span(seconds_since(archiver['last_archived_at']))} ago"
    if archiver.get("waiting_segments"):
        line += f", {archiver['waiting_segments']} wait ({size(archiver.get('waiting_bytes'))})"
    if line.startswith("ok") or not archiver.get("message"):
        return line
    return f"{line}: {archiver['message']}"


def copy_line(copy: dict[str, Any] | None) -> str:
    """ok, 3 s behind; or what is wrong."""
    if not copy:
        return "none"
    line = str(copy.get("state") or "unknown")
    if copy.get("lag_seconds") is not None:
        line += f", {span(copy['lag_seconds'])} behind"
    if copy.get("bytes_behind"):
        line += f" ({size(copy['bytes_behind'])})"
    if line.startswith("ok") or not copy.get("message"):
        return line
    return f"{line}: {copy['message']}"


def _verified(found: dict[str, Any]) -> str:
    newest, last = found.get("newest_verified"), found.get("last_verification") or {}
    if last.get("result") not in (None, "ok"):
        line = f"NO: {span(seconds_since(last.get('time')))} ago a restore {last['result']}"
        line += f": {last['error']}" if last.get("error") else ""
        if not newest:
            return line
        return f"{line}; the newest that was verified: {span(seconds_since(newest['time']))} ago"
    if not newest:
        return "no restore was verified yet: ./selfmonitor verify-restore"
    age = newest.get("age_seconds")
    if age is None:
        age = seconds_since(newest.get("time"))
    point = f", to {shown(newest['point'])} UTC" if newest.get("point") else ""
    return f"{span(age)} ago{point}"


@backup.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def info(context: click.Context, output: str) -> int:
    """Show from when to when the stack is recoverable, and how old the proof is.

    Exit status 1: it is not recoverable.
    """
    found = collect(open_cluster(context))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        for line in (
            *_window(found),
            f"newest backup {_newest(found)}",
            f"archive       {archiver_line(found.get('archiver'))}",
            f"second copy   {copy_line(found.get('copy'))}",
            f"verified      {_verified(found)}",
        ):
            click.echo(line)
        for line in found.get("errors") or ():
            click.echo(f"selfmonitor: {line}", err=True)
    return 0 if found.get("window") else 1


# Keys.


@backup.command()
@click.option("--reveal", is_flag=True, help="Print the keys.")
@click.pass_context
def key(context: click.Context, reveal: bool) -> None:
    """Show what no backup can be read without. The keys only with --reveal.

    Backups are encrypted before they leave this machine. Who has the vault and not the keys has
    nothing: keep a copy of them apart from this machine.
    """
    cluster = open_cluster(context)
    keys = cluster.outputs().get("backup_keys")
    if not keys:
        raise UserError(
            f"stack {cluster.stack} has no backup keys yet: ./selfmonitor -s {cluster.stack} up"
        )
    if reveal:
        click.echo(f"repository {keys['repository']}")
        click.echo(f"logical    {keys['logical']}")
        return
    file = cluster.project.state_file
    where = str(file) if file.exists() else "the Pulumi state of the stack"
    click.echo(
        "repository  passphrase of the pgBackRest repository (aes-256-cbc): backups and WAL\n"
        "logical     passphrase of the dumps and the Redis snapshots (gpg, AES-256)\n"
        f"Both are in {where}. Lose that file and the vault is unreadable, for everybody: copy it, "
        "or what --reveal prints, to where this machine's end does not reach."
    )
