"""selfmonitor restore"""

import time
from typing import Any

import click

from cli import backup_inside
from cli.cluster import Cluster, open_cluster
from cli.console import Steps
from cli.errors import OperationFailed
from cli.figures import size, span
from cli.host import docker_engine
from cli.point import Point, fixed
from cli.project import command_line, current_project
from cli.recovery_point import reachable

SIDE = "side"


def restore_beside(cluster: Cluster, text: str, timeline: int | None) -> None:
    """Makes the instance beside the running one, up to a point, and shows how to reach it.

    text: from `point.fixed`. Raises UserError when the point is outside the window; then nothing
    was changed.
    """
    from cli.progress import Bytes

    begun = time.monotonic()
    options: tuple[str, ...] = ("--to", text)
    point: Point | None = None
    if timeline is None:
        point = reachable(cluster, text, lambda said: click.echo(f"  {said}", err=True))
    else:
        # The window is that of the newest timeline; of another, the service itself knows.
        options += ("--timeline", str(timeline))
    container = backup_inside.find(cluster, SIDE)
    with Bytes("restore beside") as progress:
        outcome = backup_inside.run(container, SIDE, "restore", *options, on_progress=progress)
    if outcome.status == backup_inside.ALREADY_RUNNING:
        raise OperationFailed(outcome.message or "a restore beside is under way already")
    outcome.require_success()
    said = dict(outcome.answers[-1]) if outcome.answers else dict(outcome.record or {})
    panel(cluster, str(point or text), said, time.monotonic() - begun)


def panel(cluster: Cluster, point: str, said: dict[str, Any], seconds: float) -> None:
    """What there is now, how to look into it, and how to be rid of it."""
    from rich.console import Console
    from rich.panel import Panel

    from cli.console import is_plain

    settings = cluster.project.settings
    run = command_line(cluster.stack)
    amount = f", {size(said['bytes'])}" if isinstance(said.get("bytes"), int) else ""
    title = f"stack {cluster.stack} as of {point}, beside it ({seconds:.1f} s{amount})"
    lines = [
        f"address {settings.bind_address}:{settings.backup.side_port}",
        f"look    {run} psql --side",
        f"copy    {run} restore-table TABLE",
        f"drop    {run} restore --drop",
        "",
        "Users and passwords are those of the stack. The running cluster was left alone.",
    ]
    if is_plain():
        click.echo(title)
        for line in lines:
            click.echo(f"  {line}" if line else "")
        return
    Console().print(Panel("\n".join(lines), title=title, expand=False, highlight=False))


def drop(cluster: Cluster) -> None:
    """Removes the instance beside."""
    container = backup_inside.find(cluster, SIDE)
    backup_inside.run(container, SIDE, "drop").require_success()
    click.echo("the instance beside is gone; the running cluster was left alone")


@click.command()
@click.option(
    "--to",
    metavar="POINT",
    help='"10 minutes ago", a time (UTC unless it says otherwise), an LSN, the name of a restore '
    'point, or "latest".',
)
@click.option("--timeline", type=click.IntRange(1), help="Along that timeline, beside only.")
@click.option(
    "--into",
    type=click.Choice(["side", "in-place"]),
    default="side",
    show_default=True,
    help="A second instance beside the running one, or in its place.",
)
@click.option("--drop", "dropping", is_flag=True, help="Remove the instance beside.")
@click.option(
    "--forget-old-data", is_flag=True, help="Delete what a restore in place has set aside."
)
@click.option("--yes", is_flag=True, help="Do not ask before going in place or deleting.")
@click.pass_context
def restore(
    context: click.Context,
    to: str | None,
    timeline: int | None,
    into: str,
    dropping: bool,
    forget_old_data: bool,
    yes: bool,
) -> None:
    """Bring back PostgreSQL as it was at a point in time.

    Beside the running cluster by default, to look into and to copy tables from. In place it stops
    the cluster and keeps the old data until --forget-old-data. A point outside the recoverable
    window is refused (exit status 2) and nothing is changed.
    """
    if (to is not None) + dropping + forget_old_data != 1:
        raise click.UsageError("give one of --to POINT, --drop and --forget-old-data")
    if timeline is not None and (to is None or into != "side"):
        raise click.UsageError("--timeline goes with --to and --into side")
    project = current_project(context)
    text = fixed(to) if to is not None else ""
    if to is not None and into == "side":
        restore_beside(open_cluster(context), text, timeline)
        return
    if dropping:
        drop(open_cluster(context))
        return
    project.must_be_on_docker(
        "restore in place",
        "restore --to POINT restores beside, and restore-table copies from there",
    )
    from cli import in_place
    from cli.docker_cluster import DockerCluster

    client = docker_engine.require()
    cluster = DockerCluster(project, client)
    steps = Steps()
    with project.lock():
        if to is None:
            in_place.forget_old_data(cluster, client, steps, yes=yes)
            return
        begun = time.monotonic()
        point = in_place.restore(cluster, client, to, steps, yes=yes)
    click.echo(
        f"stack {cluster.stack} is as of {point} ({span(time.monotonic() - begun)}). What it held "
        f"before is kept on each member: {command_line(cluster.stack)} restore --forget-old-data "
        "deletes it"
    )
