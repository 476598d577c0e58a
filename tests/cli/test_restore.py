"""restore beside the running cluster, and psql into it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli import psql as psql_module
from cli import restore as module
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError

TO = "2026-11-23T11:50:00Z"
POINT = {"kind": "time", "value": "2026-11-23T11:50:00.000000Z", "window": {}}
ERROR = {"event": "error", "message": "outside the window, which is from 1 to 2"}


def lines(*documents: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


@pytest.fixture
def run(
    stack: Cluster, containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    stack.project.__dict__["configuration"] = {}
    containers["restore-test-1"].answer = lambda command: (0, lines(POINT))
    containers["side-1"].answer = lambda command: (
        *(0, lines({"event": "progress", "what": "main", "done": 1, "total": 2}, {"bytes": 2048})),
    )
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)

    def go(*arguments: str) -> Result:
        return CliRunner().invoke(
            module.restore,
            list(arguments),
            obj=stack.project,
            standalone_mode=False,
            catch_exceptions=False,
        )

    return go


def asked(container: Any) -> list[str]:
    command = container.asked[-1]
    return command[command.index(module.backup_inside.PROGRAM) + 1 :]


def test_it_ends_with_where_it_is_and_what_can_be_done_with_it(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    said = run("--to", TO).stdout.splitlines()
    assert asked(containers["side-1"]) == ["side", "restore", "--to", TO, "--json"]
    assert said[0].startswith("stack local as of 2026-11-23 11:50:00 UTC, beside it (")
    assert said[0].endswith(" s, 2.0 KiB)")
    assert [line.strip() for line in said[1:5]] == [
        "address 127.0.0.1:5440",
        "look    ./selfmonitor psql --side",
        "copy    ./selfmonitor restore-table TABLE",
        "drop    ./selfmonitor restore --drop",
    ]


def test_a_point_outside_the_window_is_refused_before_anything(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    containers["restore-test-1"].answer = lambda command: (2, lines(ERROR))
    with pytest.raises(UserError, match="outside the window, which is from 1 to 2"):
        run("--to", TO)
    assert containers["side-1"].asked == []


def test_along_a_timeline_the_service_itself_knows_the_window(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    run("--to", TO, "--timeline", "3")
    assert containers["restore-test-1"].asked == []
    assert asked(containers["side-1"])[2:] == ["--to", TO, "--timeline", "3", "--json"]


@pytest.mark.parametrize("into", ["side", "in-place"])
def test_an_empty_point_is_refused_at_once(
    run: Callable[..., Result], containers: dict[str, Any], into: str
) -> None:
    with pytest.raises(UserError, match="say to which point"):
        run("--to", " ", "--into", into)
    assert not any(each.asked for each in containers.values())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--drop", "--to", TO),
        ("--drop", "--forget-old-data"),
        ("--timeline", "2", "--drop"),
        ("--timeline", "2", "--to", TO, "--into", "in-place"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(click.UsageError):
        run(*arguments)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (3, OperationFailed, "is running since"),
        (1, OperationFailed, "damaged"),
        (2, UserError, "x"),
    ],
)
def test_a_restore_that_fails_says_why(
    run: Callable[..., Result],
    containers: dict[str, Any],
    status: int,
    error: type[Exception],
    said: str,
) -> None:
    message = {"event": "error", "message": said}
    containers["side-1"].answer = lambda command: (status, lines(message))
    with pytest.raises(error, match=said):
        run("--to", TO)


def test_what_is_beside_can_be_dropped(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    assert run("--drop").stdout.startswith("the instance beside is gone")
    assert asked(containers["side-1"]) == ["side", "drop", "--json"]


# Psql.


@pytest.fixture
def psql(
    stack: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, dict[str, str]]]:
    """Runs psql with its arguments; by what, and with which connection."""
    stack.project.__dict__["configuration"] = {}
    found: list[tuple[str, dict[str, str]]] = []

    def own(info: dict[str, str], arguments: tuple[str, ...]) -> int:
        found.append(("own", info))
        return 0

    def inside(cluster: Any, workload: str, *, secret: str, **how: Any) -> int:
        found.append((workload, {"secret": secret, "connection": how["arguments"][1]}))
        return 0

    monkeypatch.setattr(psql_module, "open_cluster", lambda context: stack)
    monkeypatch.setattr(psql_module, "_with_own_psql", own)
    monkeypatch.setattr(psql_module, "run_in_container", inside)

    def go(*arguments: str, installed: bool = True) -> tuple[str, dict[str, str]]:
        path = "/usr/bin/psql" if installed else None
        monkeypatch.setattr(psql_module.shutil, "which", lambda name: path)
        CliRunner().invoke(
            psql_module.psql, list(arguments), standalone_mode=False, catch_exceptions=False
        )
        return found[-1]

    return go


def test_psql_reaches_what_is_beside_as_the_application_would(
    psql: Callable[..., tuple[str, dict[str, str]]], tmp_path: Path
) -> None:
    by, info = psql("--side")
    assert by == "own"
    assert info == {
        "host": "127.0.0.1",
        "port": "5440",
        "user": "user",
        "password": "pa55",
        "dbname": "db_user_profile",
        "sslmode": "verify-full",
        "sslrootcert": f"{tmp_path}/.selfmonitor/local/ca.crt",
    }


def test_without_a_psql_here_that_of_its_own_container_is_used(
    psql: Callable[..., tuple[str, dict[str, str]]],
) -> None:
    by, how = psql("--side", installed=False)
    assert by == "side"
    assert how["secret"] == "side-1:5432:db_user_profile:user:pa55\n"
    assert "hostaddr=127.0.0.1" in how["connection"]
    assert "host=side-1" in how["connection"]
    assert "pa55" not in how["connection"]


def test_it_is_one_server_or_the_other(
    psql: Callable[..., tuple[str, dict[str, str]]],
) -> None:
    with pytest.raises(click.UsageError, match="choose one"):
        psql("--side", "--replica")
