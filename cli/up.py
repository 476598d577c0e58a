"""selfmonitor up"""

import time
from typing import TYPE_CHECKING, Any

import click

from cli.apply import Applier, applier
from cli.cluster import Cluster
from cli.console import Steps
from cli.errors import OperationFailed, UserError
from cli.host import base_image, certificates, checks, docker_engine
from cli.project import Project, current_project

if TYPE_CHECKING:
    import docker

# From the last container's readiness to every member streaming.
HEALTHY_SECONDS = 90


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


def wait_until_healthy(cluster: Cluster, steps: Steps) -> None:
    """Until every member streams and both routers let the application in."""
    with steps.step("every standby streaming, every router answering") as step:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not (status := cluster.postgres_status()).healthy:
            if time.monotonic() > deadline:
                raise OperationFailed(
                    f"the cluster is not healthy after {HEALTHY_SECONDS} s",
                    tuple(f"{m.name}: {m.role}, {m.state}" for m in status.members),
                )
            step.update(", ".join(f"{m.name} {m.state}" for m in status.members))
            time.sleep(0.5)
        for endpoint in cluster.outputs()["postgres_endpoints"]["read_write"]:
            _log_in(cluster, int(endpoint["port"]), deadline)


def _log_in(cluster: Cluster, port: int, deadline: float) -> None:
    import psycopg

    while True:
        try:
            arguments: dict[str, Any] = {**cluster.conninfo(), "port": str(port)}
            with psycopg.connect(**arguments, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                reason = " ".join(str(error).split())
                raise OperationFailed(
                    f"the router on port {port} lets nobody in: {reason}"
                ) from None
            time.sleep(0.5)


def write_authority(project: Project, by: Applier) -> None:
    """Clients verify the server with this file; it is public."""
    text = by.outputs()["ca_certificate"]
    path = project.authority_file
    if not path.exists() or path.read_text() != text:
        from standalone.state import replace_file

        replace_file(path, text.encode())
        path.chmod(0o644)


def panel(cluster: Cluster, seconds: float, changed: bool) -> None:
    """Addresses, how to connect, what to try next."""
    from rich.console import Console
    from rich.panel import Panel

    from cli.console import is_plain

    endpoints = cluster.outputs()["postgres_endpoints"]

    def addresses(kind: str) -> str:
        return "  ".join(f"{each['host']}:{int(each['port'])}" for each in endpoints[kind])

    info = cluster.conninfo()
    run = "./selfmonitor" + ("" if cluster.stack == "local" else f" -s {cluster.stack}")
    lines = [
        f"read and write   {addresses('read_write')}",
        f"read only        {addresses('read_only')}",
        f"database         {info['dbname']}, user {info['user']}",
        "",
        f"look    {run} status",
        f"connect {run} psql          for an application: {run} connection",
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


@click.command()
@click.pass_context
def up(context: click.Context) -> None:
    """Bring the stack up, or bring it to what its stack file says."""
    begun = time.monotonic()
    project = current_project(context)
    steps = Steps()
    _ = project.settings
    with project.lock():
        client = prepare(project, steps)
        by = applier(project, client)
        changed = by.up(steps)
        write_authority(project, by)
        cluster = Cluster(project, client)
        wait_until_healthy(cluster, steps)
    panel(cluster, time.monotonic() - begun, changed)
