"""`drill`: what a person types to see the cluster survive, or not."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click
import psycopg
from rich.console import Console

from cli.drill import picture, report
from cli.drill.campaign import run_campaign
from cli.drill.connection import connector
from cli.drill.faults import FAULTS, Fault
from cli.drill.progress import Progress
from cli.drill.result import Campaign
from cli.drill.stop import StopRequest, stop_on_signals
from cli.drill.strip import legend, strip
from cli.drill.target import Cluster

ALL = "all"
JSON = "json"
UNASKED_STACK = "local"
"""The stack that is there to be tried out: breaking it needs no confirmation."""

ERRORS_SHOWN = 5

KINDS_HELP = "\b\nKinds:\n" + "\n".join(
    f"  {fault.kind:<15} {fault.summary}" for fault in FAULTS.values()
)


@click.group()
def drill() -> None:
    """Break the running cluster for real and count what it cost."""


@drill.command(epilog=KINDS_HELP)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    required=True,
    type=click.Choice([*FAULTS, ALL]),
    metavar="KIND",
    help="What to break; may be given more than once, or 'all'.",
)
@click.option(
    "--runs", type=click.IntRange(min=1), default=1, show_default=True, help="Of each kind."
)
@click.option(
    "--hold",
    type=click.FloatRange(min=0, max=600),
    metavar="SECONDS",
    help="How long a fault that has to be undone lasts, instead of its own time.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Clients that write all the while.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="json|FILE.svg",
    help="JSON on standard output, or a picture; may be given more than once.",
)
@click.option("--yes", is_flag=True, help=f"Needed for any stack but '{UNASKED_STACK}'.")
@click.pass_context
def postgres(
    ctx: click.Context,
    *,
    kinds: tuple[str, ...],
    runs: int,
    hold: float | None,
    clients: int,
    outputs: tuple[str, ...],
    yes: bool,
) -> None:
    """Break PostgreSQL while clients write to it, and read every row back.

    An outage is the longest time without an acknowledged commit, as the clients saw it;
    p50 and p95 are nearest-rank percentiles. The exit code is 1 if a single acknowledged row
    is lost, if a commit was acknowledged that no standby had, or if the cluster did not come
    back whole.
    """
    as_json, pictures = _destinations(outputs)
    faults = _chosen(kinds, hold)
    # Not at the top: --help and usage errors need not wait for the Docker client to load.
    from cli.cluster import open_cluster

    cluster: Cluster = open_cluster(ctx)
    if cluster.stack != UNASKED_STACK and not yes:
        raise click.UsageError(
            f"this breaks stack '{cluster.stack}' for real; give --yes if you mean it", ctx
        )
    progress_console = Console(stderr=True)
    with cluster.lock(), Progress(progress_console, runs) as progress:
        progress.say(
            f"This breaks stack '{cluster.stack}' for real, {runs * len(faults)} times "
            f"({', '.join(fault.kind for fault in faults)}). "
            "Its applications will see outages. Ctrl-C heals it and ends the drill."
        )
        stop = StopRequest()
        with stop_on_signals(stop, lambda: _say_healing_first(progress)):
            try:
                campaign = run_campaign(
                    cluster,
                    connector(cluster),
                    faults,
                    runs=runs,
                    clients=clients,
                    stop=stop,
                    notify=progress.event,
                    finished=progress.finished,
                )
            except psycopg.Error as error:
                raise click.ClickException(
                    f"nothing was broken: the drill cannot write to stack '{cluster.stack}': "
                    f"{str(error).strip()}"
                ) from error
    for path in pictures:
        _write_picture(path, campaign)
    if as_json:
        click.echo(json.dumps(report.to_json(campaign), indent=2))
    else:
        _show(Console(), campaign)
    _explain(progress_console, campaign)
    ctx.exit(report.verdict(campaign))


def _chosen(kinds: Sequence[str], hold: float | None) -> list[Fault]:
    names = list(FAULTS) if ALL in kinds else list(dict.fromkeys(kinds))
    faults = [FAULTS[name] for name in names]
    return faults if hold is None else [fault.held_for(hold) for fault in faults]


def _destinations(outputs: Sequence[str]) -> tuple[bool, list[Path]]:
    """Whether JSON is wanted, and where pictures go. Refuses what could not be written: to find
    that out after an hour of runs would be too late.
    """
    pictures = [Path(output) for output in outputs if output != JSON]
    for path in pictures:
        if path.suffix.lower() != picture.SUFFIX:
            raise click.UsageError(
                f"-o {path}: a picture is an SVG file; give 'json' or a name that ends in .svg"
            )
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or path.is_dir():
            raise click.UsageError(f"-o {path}: cannot write a file there")
    return JSON in outputs, pictures


def _say_healing_first(progress: Progress) -> None:
    progress.say("Stopping. What is broken is healed first.")


def _write_picture(path: Path, campaign: Campaign) -> None:
    try:
        path.write_text(picture.svg(campaign), encoding="utf-8")
    except OSError as error:
        # The numbers are worth more than the picture: they are still printed.
        click.echo(f"{path}: {error.strerror}", err=True)


def _show(console: Console, campaign: Campaign) -> None:
    unicode = console.encoding.lower().startswith("utf")
    for run in campaign.runs:
        console.print(strip(run, console.width, unicode=unicode), soft_wrap=True)
    if campaign.runs:
        console.print(legend(unicode=unicode), style="dim", highlight=False)
    console.print(report.table(campaign))
    for kind in report.by_kind(campaign):
        for error, count in list(kind.errors.items())[:ERRORS_SHOWN]:
            line = f"{kind.kind}: {count} x {error.type} {error.sqlstate or ''} {error.message}"
            console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _explain(console: Console, campaign: Campaign) -> None:
    lines = report.complaints(campaign)
    if campaign.interrupted:
        lines.append(f"{len(campaign.runs)} of {campaign.runs_planned} runs were completed")
    if campaign.leftover:
        lines.append(campaign.leftover)
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
