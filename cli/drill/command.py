"""`drill`: what a person types to see the cluster survive, or not."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.drill import picture, report, service
from cli.drill.campaign import run_campaign
from cli.drill.faults import Fault
from cli.drill.heal import heal
from cli.drill.kinds import KINDS
from cli.drill.progress import Progress
from cli.drill.result import Campaign
from cli.drill.service import Service
from cli.drill.stop import StopRequest, stop_on_signals
from cli.drill.store import Store, StoreError
from cli.drill.strip import legend, strip
from cli.drill.target import Cluster
from cli.drill.vault import KINDS as VAULT_KINDS
from cli.drill.vault import VaultCampaign, help_lines, outcome, run_vault_campaign
from cli.drill.vault_service import InContainers

ALL = "all"
JSON = "json"
UNASKED_STACK = "local"
"""The stack that is there to be tried out: breaking it needs no confirmation."""

ERRORS_SHOWN = 5
LONGEST_AWAY_SECONDS = 7200
HEALED_FIRST = "Stopping. What is broken is healed first."


def _kinds_help(kinds: Mapping[str, Fault]) -> str:
    lines = (f"  {fault.kind:<15} {fault.summary}" for fault in kinds.values())
    return "\b\nKinds:\n" + "\n".join(lines)


def _drill_command(
    kinds: Mapping[str, Fault], *, least_clients: int
) -> Callable[[Callable[..., None]], click.Command]:
    """A command of the group below, with the options that drilling any service has."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        drill.command(epilog=_kinds_help(kinds)),
        click.option(
            "--kind",
            "kinds",
            multiple=True,
            required=True,
            type=click.Choice([*kinds, ALL]),
            metavar="KIND",
            help="What to break; may be given more than once, or 'all'.",
        ),
        click.option(
            "--runs",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Of each kind.",
        ),
        click.option(
            "--hold",
            type=click.FloatRange(min=0, max=600),
            metavar="SECONDS",
            help="How long a fault that has to be undone lasts, instead of its own time.",
        ),
        click.option(
            "--clients",
            type=click.IntRange(least_clients, 64),
            default=4,
            show_default=True,
            help="Clients that write all the while.",
        ),
        click.option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            metavar="json|FILE.svg",
            help="JSON on standard output, or a picture; may be given more than once.",
        ),
        click.option("--yes", is_flag=True, help=f"Needed for any stack but '{UNASKED_STACK}'."),
        click.pass_context,
    ]

    def decorate(body: Callable[..., None]) -> click.Command:
        command: Any = reduce(lambda made, option: option(made), reversed(options), body)
        assert isinstance(command, click.Command)
        return command

    return decorate


@click.group()
def drill() -> None:
    """Break the running cluster for real and count what it cost."""


@_drill_command(KINDS["postgres"], least_clients=1)
def postgres(ctx: click.Context, **options: Any) -> None:
    """Break PostgreSQL while clients write to it, and read every row back.

    An outage is the longest time without an acknowledged commit, as the clients saw it;
    p50 and p95 are nearest-rank percentiles. The exit code is 1 if a single acknowledged row
    is lost, if a commit was acknowledged that no standby had, or if the cluster did not come
    back whole.
    """
    _carry_out(ctx, KINDS["postgres"], service.postgres, **options)


@_drill_command(KINDS["redis"], least_clients=2)
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="REPLICAS",
    help="Count a row as acknowledged only once so many replicas have confirmed it (WAIT).",
)
def redis(ctx: click.Context, *, wait: int, **options: Any) -> None:
    """Break Redis while clients write to it, and read every row back.

    Half of the clients write through the router, the others ask the Sentinels where to; all
    through the router, where the Sentinels cannot be reached from here, as on Kubernetes. An
    outage is the longest time without an acknowledged write on one of the two ways; p50 and p95
    are nearest-rank percentiles. Redis replicates after it has acknowledged, so a change of
    primary may lose rows: they are counted. The exit code is 1 if one is lost that a replica had
    confirmed (--wait), if another primary was chosen where none may be, or if Redis did not come
    back whole.
    """
    _carry_out(ctx, KINDS["redis"], partial(_redis_service, wait=wait), **options)


def _redis_service(cluster: Cluster, wait: int) -> Service:
    replicas = len(cluster.members("redis")) - 1
    if wait > max(replicas, 0):
        raise click.UsageError(
            f"--wait {wait}: stack '{cluster.stack}' has {max(replicas, 0)} replicas of Redis"
        )
    return service.redis(cluster, wait)


@drill.command(epilog=help_lines(VAULT_KINDS))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    required=True,
    type=click.Choice([*VAULT_KINDS, ALL]),
    metavar="KIND",
    help="What to harm; may be given more than once, or 'all'.",
)
@click.option(
    "--runs", type=click.IntRange(min=1), default=1, show_default=True, help="Of each kind."
)
@click.option(
    "--hold",
    type=click.FloatRange(min=1, max=LONGEST_AWAY_SECONDS),
    metavar="SECONDS",
    help="How long the vault is away, instead of its own time.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Clients that write while the vault is away.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", JSON]), default="text", help="What to print."
)
@click.option("--yes", is_flag=True, help=f"Needed for any stack but '{UNASKED_STACK}'.")
@click.pass_context
def vault(
    ctx: click.Context,
    *,
    kinds: tuple[str, ...],
    runs: int,
    hold: float | None,
    clients: int,
    output: str,
    yes: bool,
) -> None:
    """Harm the backups in the vault, or take the vault away, and see everything recovered.

    A restore test has to find each harm and to name it; then the vault is rewound to the time
    before, and another restore test has to pass. The exit code is 1 if a harm was not found, not
    named or not undone, or if a commit failed or was lost while the vault was away.
    """
    names = list(VAULT_KINDS) if ALL in kinds else list(dict.fromkeys(kinds))
    chosen = [VAULT_KINDS[name] for name in names]
    if hold is not None:
        chosen = [
            replace(kind, hold_seconds=hold) if kind.hold_seconds else kind for kind in chosen
        ]
    cluster = _open(ctx, yes=yes)
    progress_console = Console(stderr=True)

    def say(line: str) -> None:
        progress_console.print(line, markup=False, highlight=False, soft_wrap=True)

    with cluster.lock():
        say(
            f"This harms the vault of stack '{cluster.stack}' for real, {runs * len(chosen)} times "
            f"({', '.join(names)}), and undoes it each time. Ctrl-C undoes it and ends the drill."
        )
        stop = StopRequest()
        with stop_on_signals(stop, lambda: say(HEALED_FIRST)):
            campaign = run_vault_campaign(
                cluster,
                InContainers(cluster),
                _store_of(cluster),
                chosen,
                runs=runs,
                clients=clients,
                stop=stop,
                tell=say,
            )
    _show_vault(campaign, as_json=output == JSON)
    for line in campaign.complaints:
        progress_console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    ctx.exit(campaign.exit_code)


@drill.command(name="heal")
@click.pass_context
def heal_(ctx: click.Context) -> None:
    """Undo what a drill that was killed has left broken.

    Every member is connected, thawed and started; what is as it should be is left alone. What was
    harmed in the vault comes back with `backup rewind`.
    """
    from cli.cluster import open_cluster

    cluster: Cluster = open_cluster(ctx)
    with cluster.lock():
        complaints = heal(cluster, lambda what: click.echo(f"  {what}", err=True))
    for line in complaints:
        click.echo(f"selfmonitor: {line}", err=True)
    ctx.exit(1 if complaints else 0)


def _store_of(cluster: Cluster) -> Store:
    return service.postgres(cluster).store


def _show_vault(campaign: VaultCampaign, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(campaign.to_json(), indent=2))
        return
    for run in campaign.runs:
        click.echo(outcome(run))


def _open(ctx: click.Context, *, yes: bool) -> Cluster:
    """The stack, if it may be broken."""
    # Not at the top: --help and usage errors need not wait for the Docker client to load.
    from cli.cluster import open_cluster

    cluster: Cluster = open_cluster(ctx)
    if cluster.stack != UNASKED_STACK and not yes:
        raise click.UsageError(
            f"this breaks stack '{cluster.stack}' for real; give --yes if you mean it", ctx
        )
    return cluster


def _carry_out(
    ctx: click.Context,
    known: Mapping[str, Fault],
    open_service: Callable[[Cluster], Service],
    *,
    kinds: tuple[str, ...],
    runs: int,
    hold: float | None,
    clients: int,
    outputs: tuple[str, ...],
    yes: bool,
) -> None:
    as_json, pictures = _destinations(outputs)
    faults = _chosen(known, kinds, hold)
    cluster = _open(ctx, yes=yes)
    drilled = open_service(cluster)
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
                    drilled,
                    faults,
                    runs=runs,
                    clients=clients,
                    stop=stop,
                    notify=progress.event,
                    finished=progress.finished,
                )
            except StoreError as error:
                raise click.ClickException(
                    f"nothing was broken: the drill cannot write to stack '{cluster.stack}': "
                    f"{error}"
                ) from error
    for path in pictures:
        _write_picture(path, campaign)
    if as_json:
        click.echo(json.dumps(report.to_json(campaign), indent=2))
    else:
        _show(Console(), campaign)
    _explain(progress_console, campaign)
    ctx.exit(report.verdict(campaign))


def _chosen(known: Mapping[str, Fault], kinds: Sequence[str], hold: float | None) -> list[Fault]:
    names = list(known) if ALL in kinds else list(dict.fromkeys(kinds))
    faults = [known[name] for name in names]
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
    progress.say(HEALED_FIRST)


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
    for note in report.notes(campaign):
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)
    for kind in report.by_kind(campaign):
        for error, count in list(kind.errors.items())[:ERRORS_SHOWN]:
            line = f"{kind.kind}: {count} x {error.type} {error.code or ''} {error.message}"
            console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _explain(console: Console, campaign: Campaign) -> None:
    lines = report.complaints(campaign)
    if campaign.interrupted:
        lines.append(f"{len(campaign.runs)} of {campaign.runs_planned} runs were completed")
    if campaign.leftover:
        lines.append(campaign.leftover)
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
