"""selfmonitor up"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from cli import credentials, under_way
from cli.apply import Applier, applier
from cli.cluster import Cluster, open_cluster
from cli.console import Step, Steps
from cli.docker_cluster import DockerCluster
from cli.errors import OperationFailed, UserError
from cli.from_backup import Beginning, decide, refuse_during_restore
from cli.host import base_image, certificates, checks, docker_engine
from cli.point import parse
from cli.project import Project, command_line, current_project
from cli.recovered import ask_for_full_backup, what_redis_got

if TYPE_CHECKING:
    import docker

# From the last container's readiness to every member streaming.
HEALTHY_SECONDS = 90
# The same after a recovery: standbys may have a lot to fetch from the first member.
RECOVERED_SECONDS = 3600


def prepare(project: Project, steps: Steps) -> "docker.DockerClient":
    """Docker Engine, the machine's checks, the base image: what a stack needs before it begins."""
    settings = project.settings
    with steps.step("Docker Engine") as step:
        client = docker_engine.ensure(step)
    with steps.step("this machine: ports, networks, disk, memory"):
        for _, finding in checks.findings(client, project.stack, settings):
            raise UserError(str(finding))
    number = certificates.hand_over(project.root / "images" / "base" / "ca-certificates")
    if number:
        steps.line(f"✓ {number} extra certificate authorities of this machine for the images")
    with steps.step("base image") as step:
        base_image.ensure(client, step)
    return client


def wait_until_healthy(cluster: Cluster, steps: Steps, seconds: int = HEALTHY_SECONDS) -> None:
    """Until both databases are whole and every router lets the application in to each."""
    deadline = time.monotonic() + seconds
    with steps.step("every standby streaming, every router answering") as step:
        _wait(cluster.postgres_status, "PostgreSQL", step, deadline, seconds)
        for endpoint in cluster.outputs()["postgres_endpoints"]["read_write"]:
            _patiently(_log_in, cluster, cluster.way_in(endpoint), deadline)
    with steps.step("every Redis replica in step, every Sentinel agreeing") as step:
        _wait(cluster.redis_status, "Redis", step, deadline, seconds)
        for port in cluster.redis_access().ports:
            _patiently(_ping, cluster, port, deadline)


class _Status(Protocol):
    @property
    def healthy(self) -> bool: ...
    @property
    def members(self) -> Sequence[Any]: ...


def _wait(
    look: Callable[[], _Status], title: str, step: Step, deadline: float, seconds: int
) -> None:
    while not (status := look()).healthy:
        if time.monotonic() > deadline:
            raise OperationFailed(
                f"{title} is not healthy after {seconds} s",
                tuple(f"{m.name}: {m.role}, {m.state}" for m in status.members),
            )
        step.update(", ".join(f"{m.name} {m.state}" for m in status.members))
        time.sleep(0.5)


class _Refused(Exception):
    """Nobody was let in, yet."""


def _patiently(
    attempt: Callable[[Cluster, Any], None], cluster: Cluster, way: Any, deadline: float
) -> None:
    while True:
        try:
            attempt(cluster, way)
            return
        except _Refused as refused:
            if time.monotonic() > deadline:
                raise OperationFailed(str(refused)) from None
            time.sleep(0.5)


def _log_in(cluster: Cluster, way: dict[str, str]) -> None:
    import psycopg

    try:
        arguments: dict[str, Any] = {**way, **cluster.credentials()}
        with psycopg.connect(**arguments, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise _Refused(f"the router on port {way['port']} lets nobody in: {reason}") from None


def _ping(cluster: Cluster, port: int) -> None:
    import redis

    from cli.redis_client import through_router

    try:
        with through_router(cluster.redis_access(), port, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise _Refused(f"the router on port {port} lets nobody in: {error}") from None


def write_credentials(project: Project, by: Applier) -> None:
    """See cli.credentials.write."""
    credentials.write(project, by.outputs())


def panel(cluster: Cluster, seconds: float, changed: bool) -> None:
    """Addresses, how to connect, what to try next."""
    from rich.console import Console
    from rich.panel import Panel

    from cli.console import is_plain

    endpoints = cluster.outputs()["postgres_endpoints"]

    def addresses(kind: str) -> str:
        return "  ".join(f"{each['host']}:{int(each['port'])}" for each in endpoints[kind])

    info = cluster.credentials()
    redis = cluster.redis_given()
    ports = "  ".join(f"{redis.host}:{port}" for port in redis.ports)
    run = command_line(cluster.stack)
    lines = [
        f"read and write   {addresses('read_write')}",
        f"read only        {addresses('read_only')}",
        f"database         {info['dbname']}, user {info['user']}",
        f"Redis            {ports}",
        "",
        f"look    {run} status",
        f"connect {run} psql or {run} redis-cli",
        f"apps    {run} connection",
        f"try     {run} drill postgres --kind process-kill",
        f"stop    {run} down",
    ]
    title = (
        f"stack {cluster.stack} is {'up' if changed else 'up, nothing to change'} ({seconds:.1f} s)"
    )
    if is_plain():
        click.echo(title)
        for line in lines:
            click.echo(f"  {line}" if line else "")
        return
    Console().print(Panel("\n".join(lines), title=title, expand=False, highlight=False))


def recover(
    project: Project, client: "docker.DockerClient", beginning: Beginning, steps: Steps
) -> None:
    """Brings an empty stack up with what a vault holds. Killed half way, it goes on."""
    begun = time.monotonic()
    by = applier(beginning.recovering(project), client)
    by.up(steps)
    for line in what_redis_got(project, client):
        steps.line(f"✓ {line}")
    if not beginning.redis:
        steps.line("✓ Redis has lost nothing and is left alone")
    write_credentials(project, by)
    cluster = DockerCluster(project, client)
    wait_until_healthy(cluster, steps, RECOVERED_SECONDS)
    ask_for_full_backup(cluster, steps, beginning.since)
    under_way.from_backup(project).remove()
    steps.line(f"✓ recovered from {beginning} in {time.monotonic() - begun:.1f} s")


# Members look for a recovery only where they have no data, so that it may stand there meanwhile.
RECOVERY_ON_KUBERNETES = (
    "put recovery: {source: vault} into its stack file for one up, and take it out again"
)


def up_on_kubernetes(project: Project, steps: Steps) -> bool:
    """Has the Pulumi CLI apply the stack and waits until it is whole; whether it was changed.

    Raises UserError, before anything is asked of the cluster, where there is no CLI.
    """
    from cli.kubernetes_cluster import open_on_kubernetes

    by = applier(project, None)
    changed = by.up(steps)
    write_credentials(project, by)
    # A member may still be copying what it begins with: the CLI has waited for readiness.
    wait_until_healthy(open_on_kubernetes(project), steps)
    return changed


@click.command()
@click.option(
    "--from-backup", is_flag=True, help="Begin a stack that lost its data with a vault's."
)
@click.option(
    "--source",
    type=click.Choice(["vault", "copy"]),
    help="With --from-backup: the vault (by default) or the second region's copy of it.",
)
@click.option(
    "--to",
    metavar="POINT",
    help="With --from-backup: up to that point, as `restore --to` has it; all there is by default.",
)
@click.pass_context
def up(context: click.Context, from_backup: bool, source: str | None, to: str | None) -> None:
    """Bring the stack up, or bring it to what its stack file says."""
    if not from_backup and (source is not None or to is not None):
        raise click.UsageError("--source and --to go with --from-backup")
    if to is not None:
        # A mistyped one is refused before anything is fetched or built.
        parse(to)
    begun = time.monotonic()
    project = current_project(context)
    steps = Steps()
    _ = project.settings
    if project.on_kubernetes:
        if from_backup:
            project.must_be_on_docker("up --from-backup", RECOVERY_ON_KUBERNETES)
        with project.lock():
            changed = up_on_kubernetes(project, steps)
        panel(open_cluster(context), time.monotonic() - begun, changed)
        return
    with project.lock():
        client = prepare(project, steps)
        refuse_during_restore(project)
        beginning = decide(project, client, wanted=from_backup, source=source, to=to)
        if beginning is not None:
            recover(project, client, beginning, steps)
        by = applier(project, client)
        changed = by.up(steps) or beginning is not None
        write_credentials(project, by)
        cluster = DockerCluster(project, client)
        wait_until_healthy(cluster, steps)
    panel(cluster, time.monotonic() - begun, changed)
