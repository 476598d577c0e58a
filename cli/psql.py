"""selfmonitor psql"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from cli.cluster import Cluster, open_cluster
from cli.errors import OperationFailed, UserError


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


# psql in a member's container: the password arrives on a descriptor, lives in memory-backed
# /tmp in a file only this user reads, and goes with the shell.
IN_CONTAINER = 'trap \'rm -f "$PGPASSFILE"\' EXIT; psql "$@"'


def _with_container(cluster: Cluster, info: dict[str, str], arguments: tuple[str, ...]) -> int:
    """Psql of a PostgreSQL container, through the router all the same."""
    docker_client = shutil.which("docker")
    if docker_client is None:
        raise UserError(
            "neither psql nor the docker command is installed: "
            "sudo apt-get install postgresql-client"
        )
    running = [c for c in cluster.containers("postgres") if c.attrs["State"] == "running"]
    if not running:
        raise OperationFailed(f"no PostgreSQL container of stack {cluster.stack} runs")
    name = running[0].attrs["Names"][0].lstrip("/")
    router = cluster.router_inside(info["port"])
    inside = {**info, **router, "sslrootcert": "/etc/selfmonitor/ca.crt"}
    path = f"/tmp/.pgpass-{os.getpid()}"
    placed = subprocess.run(
        [docker_client, "exec", "-i", name, "sh", "-c", f"umask 077; cat > {path}"],
        input=password_line(inside),
        text=True,
        check=False,
    )
    if placed.returncode:
        raise OperationFailed("psql could not be prepared (see above)")
    interactive = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    command = [docker_client, "exec", *interactive, "-e", f"PGPASSFILE={path}", name]
    command += ["sh", "-c", IN_CONTAINER, "psql", _conninfo(inside), *arguments]
    return subprocess.run(command, check=False).returncode


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--database", help="One of the stack's databases; the first by default.")
@click.option("--replica", is_flag=True, help="Connect to a standby, read only.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def psql(
    context: click.Context, database: str | None, replica: bool, arguments: tuple[str, ...]
) -> int:
    """Open psql as the application does: through the router, over verified TLS.

    ARGUMENTS go to psql, e.g. -c "SELECT 1".
    """
    cluster = open_cluster(context)
    info = cluster.conninfo(database, read_only=replica)
    if shutil.which("psql"):
        return _with_own_psql(info, arguments)
    return _with_container(cluster, info, arguments)
