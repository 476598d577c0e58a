"""selfmonitor verify-restore"""

import json
from typing import Any

import click

from cli.backup import run_job, took
from cli.cluster import open_cluster
from cli.figures import size, span


def checks(record: dict[str, Any]) -> list[str]:
    """One line for each thing that was looked at."""
    lines = []
    for each in record.get("verified") or ():
        mark = "✓" if each.get("result") else "✗"
        detail = f"  {each['detail']}" if each.get("detail") else ""
        lines.append(f"{mark} {each.get('what')}{detail}")
    return lines


def sentence(record: dict[str, Any]) -> str:
    """What it came to."""
    taken = span(took(record))
    of = f", {size(record['bytes'])}" if record.get("bytes") is not None else ""
    if record.get("result") == "ok":
        return f"verified in {taken}{of}: the backups restore"
    return f"NOT verified ({taken}{of}): {record.get('error') or record.get('result')}"


@click.command(name="verify-restore")
@click.option("--at", metavar="TIME", help="Restore to that time; a random one by default.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def verify_restore(context: click.Context, at: str | None, output: str) -> int:
    """Restore the newest backups, compare what came back, and throw it away.

    The same that is done once a day. The running databases are left alone. Exit status 1: a check
    failed, or the backups do not restore.
    """
    options = ("--at", at) if at is not None else ()
    outcome = run_job(open_cluster(context), "restore-test", "restore-test", *options)
    record = dict(outcome.record or {})
    failed = outcome.status != 0 or any(
        not each.get("result") for each in record.get("verified") or ()
    )
    if output == "json":
        click.echo(json.dumps(record, indent=2))
    else:
        for line in checks(record):
            click.echo(line)
        click.echo(sentence(record))
    return 1 if failed else 0
