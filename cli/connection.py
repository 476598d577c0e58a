"""selfmonitor connection"""

import json
import shlex
from typing import Any
from urllib.parse import quote

import click

from cli.cluster import Cluster, open_cluster

HIDDEN = "********"


def describe(cluster: Cluster, database: str | None, *, reveal: bool) -> dict[str, Any]:
    """What an application needs: both routers, the CA file, user and database."""
    info = cluster.conninfo(database)
    endpoints = cluster.outputs()["postgres_endpoints"]
    return {
        "hosts": [str(each["host"]) for each in endpoints["read_write"]],
        "ports": [int(each["port"]) for each in endpoints["read_write"]],
        "read_only_ports": [int(each["port"]) for each in endpoints["read_only"]],
        "user": info["user"],
        "password": info["password"] if reveal else HIDDEN,
        "database": info["dbname"],
        "sslmode": info["sslmode"],
        "sslrootcert": info["sslrootcert"],
    }


def as_uri(found: dict[str, Any], *, reveal: bool) -> str:
    """A libpq URI that names every router; without --reveal it has no password."""
    user = quote(found["user"], safe="")
    if reveal:
        user += ":" + quote(found["password"], safe="")
    pairs = zip(found["hosts"], found["ports"], strict=True)
    hosts = ",".join(f"{host}:{port}" for host, port in pairs)
    query = f"sslmode={found['sslmode']}&sslrootcert={quote(found['sslrootcert'], safe='/')}"
    return f"postgresql://{user}@{hosts}/{quote(found['database'], safe='')}?{query}"


def as_environment(found: dict[str, Any], *, reveal: bool) -> str:
    """Lines for a shell; libpq and most drivers read these variables."""
    values = {
        "PGHOST": ",".join(found["hosts"]),
        "PGPORT": ",".join(map(str, found["ports"])),
        "PGUSER": found["user"],
        "PGDATABASE": found["database"],
        "PGSSLMODE": found["sslmode"],
        "PGSSLROOTCERT": found["sslrootcert"],
    }
    if reveal:
        values["PGPASSWORD"] = found["password"]
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in values.items())


@click.command()
@click.option("--database", help="One of the stack's databases; the first by default.")
@click.option("-o", "--output", type=click.Choice(["uri", "env", "json"]), default="uri")
@click.option("--reveal", is_flag=True, help="Print the password as well.")
@click.pass_context
def connection(context: click.Context, database: str | None, output: str, reveal: bool) -> None:
    """Show what an application needs to connect. The password only with --reveal."""
    found = describe(open_cluster(context), database, reveal=reveal)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    elif output == "env":
        click.echo(as_environment(found, reveal=reveal))
    else:
        click.echo(as_uri(found, reveal=reveal))
    if not reveal:
        click.echo("the password is shown with --reveal", err=True)
