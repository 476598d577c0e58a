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
    info = cluster.credentials(database)
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


def describe_redis(cluster: Cluster, *, reveal: bool) -> dict[str, Any]:
    """What an application needs: the routers; or else the Sentinels and a certificate to show."""
    access = cluster.redis_given()
    return {
        "hosts": [access.host] * len(access.ports),
        "ports": list(access.ports),
        "user": access.username,
        "password": access.password if reveal else HIDDEN,
        "ca_file": access.ca_file,
        "sentinels": [f"{host}:{port}" for host, port in access.sentinels],
        "service": access.service,
        "certificate_file": access.certificate_file,
        "key_file": access.key_file,
    }


def redis_as_uri(found: dict[str, Any], *, reveal: bool) -> str:
    """A URI of the first router, as redis-py and others read it; no password without --reveal."""
    user = quote(found["user"], safe="")
    if reveal:
        user += ":" + quote(found["password"], safe="")
    query = f"ssl_ca_certs={quote(found['ca_file'], safe='/')}"
    return f"rediss://{user}@{found['hosts'][0]}:{found['ports'][0]}/0?{query}"


def redis_as_environment(found: dict[str, Any], *, reveal: bool) -> str:
    """Lines for a shell."""
    pairs = zip(found["hosts"], found["ports"], strict=True)
    values = {
        "REDIS_HOSTS": ",".join(f"{host}:{port}" for host, port in pairs),
        "REDIS_USER": found["user"],
        "REDIS_CA_FILE": found["ca_file"],
        "REDIS_SENTINELS": ",".join(found["sentinels"]),
        "REDIS_SERVICE": found["service"],
        "REDIS_CERTIFICATE_FILE": found["certificate_file"],
        "REDIS_KEY_FILE": found["key_file"],
    }
    if reveal:
        values["REDIS_PASSWORD"] = found["password"]
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in values.items())


@click.command()
@click.argument("service", type=click.Choice(["postgres", "redis"]), default="postgres")
@click.option("--database", help="One of PostgreSQL's databases; the first by default.")
@click.option("-o", "--output", type=click.Choice(["uri", "env", "json"]), default="uri")
@click.option("--reveal", is_flag=True, help="Print the password as well.")
@click.pass_context
def connection(
    context: click.Context, service: str, database: str | None, output: str, reveal: bool
) -> None:
    """Show what an application needs to connect. The password only with --reveal."""
    if service == "redis" and database is not None:
        raise click.UsageError("--database is PostgreSQL's")
    cluster = open_cluster(context)
    if service == "redis":
        found = describe_redis(cluster, reveal=reveal)
        uri, environment = redis_as_uri, redis_as_environment
    else:
        found = describe(cluster, database, reveal=reveal)
        uri, environment = as_uri, as_environment
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    elif output == "env":
        click.echo(environment(found, reveal=reveal))
    else:
        click.echo(uri(found, reveal=reveal))
    if not reveal:
        click.echo("the password is shown with --reveal", err=True)
