"""connection redis: what an application needs, in a form that gives back every part."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from cli import connection as module
from cli.cluster import Cluster

PASSWORD = "p'a\"s$s:w/o@r%d\\ #?&="


@pytest.fixture
def run(stack: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    assert stack._connection is not None
    stack._connection = {**stack._connection, "redis_password": PASSWORD}
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)
    return lambda *arguments: CliRunner().invoke(module.connection, ["redis", *arguments])


def test_a_uri_gives_redis_py_back_every_part(run: Callable[..., Any], stack: Cluster) -> None:
    result = run("--reveal")
    assert result.exit_code == 0, result.output
    client = redis.Redis.from_url(result.stdout.strip())
    found = client.connection_pool.connection_kwargs
    assert client.connection_pool.connection_class is redis.SSLConnection
    assert (found["host"], found["port"], found["db"]) == ("127.0.0.1", 6379, 0)
    assert (found["username"], found["password"]) == ("application", PASSWORD)
    assert found["ssl_ca_certs"] == str(stack.project.authority_file)


def test_lines_for_a_shell_give_back_every_part(run: Callable[..., Any], stack: Cluster) -> None:
    words = [shlex.split(line) for line in run("-o", "env", "--reveal").stdout.splitlines()]
    assert {word[0] for word in words} == {"export"}
    folder = stack.project.directory
    assert dict(word[1].split("=", 1) for word in words) == {
        "REDIS_HOSTS": "127.0.0.1:6379,127.0.0.1:6389",
        "REDIS_USER": "application",
        "REDIS_PASSWORD": PASSWORD,
        "REDIS_CA_FILE": str(folder / "ca.crt"),
        "REDIS_SENTINELS": "10.87.1.96:26379,10.87.1.97:26379,10.87.1.98:26379",
        "REDIS_SERVICE": "main",
        "REDIS_CERTIFICATE_FILE": str(folder / "application.crt"),
        "REDIS_KEY_FILE": str(folder / "application.key"),
    }


@pytest.mark.parametrize("form", ["uri", "env", "json"])
def test_the_password_is_shown_only_when_asked_for(
    run: Callable[..., Any], stack: Cluster, form: str
) -> None:
    assert stack._connection is not None
    stack._connection["redis_password"] = "Tq8pass"
    hidden, shown = run("-o", form), run("-o", form, "--reveal")
    assert hidden.exit_code == shown.exit_code == 0
    assert "Tq8pass" not in hidden.output
    assert "--reveal" in hidden.stderr
    assert "Tq8pass" in shown.stdout
    assert shown.stderr == ""
    if form == "json":
        assert json.loads(hidden.stdout)["password"] == module.HIDDEN


def test_a_database_is_postgresqls_alone(run: Callable[..., Any]) -> None:
    result = run("--database", "shop")
    assert result.exit_code == 2
    assert "--database is PostgreSQL's" in result.stderr
