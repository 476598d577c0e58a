"""selfmonitor redis-cli"""

import os
import shutil
import subprocess

import click

from cli.cluster import Cluster, open_cluster
from cli.inside import run_in_container
from cli.redis import PORT
from platforms.workload import Segment

INSIDE = "/etc/selfmonitor"


def _with_own(cluster: Cluster, arguments: tuple[str, ...]) -> int:
    """This machine's redis-cli, through the first router."""
    access = cluster.redis_access()
    host = access.address or access.host
    command = ["redis-cli", "-h", host, "-p", str(access.ports[0])]
    command += ["--tls", "--cacert", access.ca_file, "--user", access.username]
    # Of this one process; an argument would be seen by everybody.
    environment = {**os.environ, "REDISCLI_AUTH": access.password}
    return subprocess.run(
        [*command, "--no-auth-warning", *arguments], env=environment, check=False
    ).returncode


def _with_container(cluster: Cluster, member: str | None, arguments: tuple[str, ...]) -> int:
    """Redis-cli of a container that has one: through the first router, or to a member itself."""
    access = cluster.redis_given()
    if member is None:
        workload = cluster.beside_router[Segment.CACHE]
        router = cluster.router_inside(str(access.ports[0]), Segment.CACHE)
        host, port = router["hostaddr"], router["port"]
    else:
        workload = "redis"
        host, port = cluster.address(member, Segment.CACHE), str(PORT)
    options = ("-h", host, "-p", port, "--tls", "--user", access.username, "--no-auth-warning")
    files = ("--cacert", f"{INSIDE}/ca.crt", "--cert", f"{INSIDE}/tls.crt")
    return run_in_container(
        cluster,
        workload,
        secret=access.password,
        script='REDISCLI_AUTH=$(cat "$SECRET"); export REDISCLI_AUTH; redis-cli "$@"',
        arguments=("redis-cli", *options, *files, "--key", f"{INSIDE}/tls.key", *arguments),
        hint="sudo apt-get install redis-tools",
    )


@click.command(name="redis-cli", context_settings={"ignore_unknown_options": True})
@click.option("--member", help="That member itself, e.g. a replica to read from.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def redis_cli(context: click.Context, member: str | None, arguments: tuple[str, ...]) -> int:
    """Open redis-cli as the application does: through the router, over TLS.

    ARGUMENTS go to redis-cli, e.g. SET greeting hello.
    """
    cluster = open_cluster(context)
    if member is None and shutil.which("redis-cli"):
        return _with_own(cluster, arguments)
    return _with_container(cluster, member, arguments)
