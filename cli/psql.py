"""selfmonitor psql"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from cli.cluster import Cluster, open_cluster
from cli.inside import run_in_container
from platforms.workload import Segment

POSTGRES_PORT = 5432


def _escaped(text: str) -> str:
    """A field of a password file."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def password_line(info: dict[str, str]) -> str:
    """The line of a password file (libpq's .pgpass) for a connection."""
    fields = (info["host"], info["port"], info["dbname"], info["user"], info["password"])
    return ":".join(map(_escaped, fields)) + "\n"


def _with_own_psql(info: dict[str, str], arguments: tuple[str, ...]) -> int:
    """This machine's psql; the password is in a file of mode 0600, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="selfmonitor-") as directory:
        path = Path(directory) / "pgpass"
        path.touch(mode=0o600)
        path.write_text(password_line(info))
        environment = {**os.environ, "PGPASSFILE": str(path)}
        return subprocess.run(
            ["psql", _conninfo(info), *arguments], env=environment, check=False
        ).returncode


def _conninfo(info: dict[str, str]) -> str:
    import psycopg.conninfo

    return psycopg.conninfo.make_conninfo(
        "", **{key: value for key, value in info.items() if key != "password"}
    )


def _with_container(
    cluster: Cluster, database: str | None, replica: bool, arguments: tuple[str, ...]
) -> int:
    """Psql of a container that has one, through the router all the same."""
    endpoints = cluster.outputs()["postgres_endpoints"]
    endpoint = endpoints["read_only" if replica else "read_write"][0]
    router = cluster.router_inside(str(int(endpoint["port"])), Segment.DATA)
    inside = {
        **cluster.credentials(database),
        **router,
        "sslrootcert": "/etc/selfmonitor/ca.crt",
    }
    return run_in_container(
        cluster,
        cluster.beside_router[Segment.DATA],
        secret=password_line(inside),
        script='PGPASSFILE=$SECRET psql "$@"',
        arguments=("psql", _conninfo(inside), *arguments),
        hint="sudo apt-get install postgresql-client",
    )


def beside(cluster: Cluster, database: str | None) -> dict[str, str]:
    """The same for the instance beside the cluster: another port and no router."""
    return {**cluster.credentials(database), **cluster.way_beside()}


def _beside_in_container(cluster: Cluster, info: dict[str, str], arguments: tuple[str, ...]) -> int:
    """Psql of the container in which that instance runs."""
    inside = {
        **info,
        # The name in its certificate, and where it listens in there.
        "host": "side-1",
        "hostaddr": "127.0.0.1",
        "port": str(POSTGRES_PORT),
        "sslrootcert": "/etc/selfmonitor/ca.crt",
    }
    return run_in_container(
        cluster,
        "side",
        secret=password_line(inside),
        script='PGPASSFILE=$SECRET psql "$@"',
        arguments=("psql", _conninfo(inside), *arguments),
        hint="sudo apt-get install postgresql-client",
    )


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--database", help="One of the stack's databases; the first by default.")
@click.option("--replica", is_flag=True, help="Connect to a standby, read only.")
@click.option("--side", is_flag=True, help="Connect to what `restore` made beside the cluster.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def psql(
    context: click.Context,
    database: str | None,
    replica: bool,
    side: bool,
    arguments: tuple[str, ...],
) -> int:
    """Open psql as the application does: through the router, over verified TLS.

    ARGUMENTS go to psql, e.g. -c "SELECT 1".
    """
    if side and replica:
        raise click.UsageError("--side and --replica name two servers: choose one")
    cluster = open_cluster(context)
    if side:
        info = beside(cluster, database)
        if shutil.which("psql"):
            return _with_own_psql(info, arguments)
        return _beside_in_container(cluster, info, arguments)
    if shutil.which("psql"):
        return _with_own_psql(cluster.conninfo(database, read_only=replica), arguments)
    return _with_container(cluster, database, replica, arguments)
