"""up: what it writes for clients, and how long it waits."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import redis

from cli import up as module
from cli.cluster import Cluster
from cli.console import Steps
from cli.errors import OperationFailed
from cli.project import Project

OUTPUTS = {
    "ca_certificate": "authority\n",
    "application_certificate": "certificate\n",
    "application_key": "key\n",
    "redis_password": "not written",
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes for these outputs; returns the folder."""
    project = Project(tmp_path, "local")

    def write(**changes: str) -> Path:
        by: Any = SimpleNamespace(outputs=lambda: {**OUTPUTS, **changes})
        module.write_credentials(project, by)
        return project.directory

    return write


def files(folder: Path) -> dict[str, tuple[str, int]]:
    return {p.name: (p.read_text(), stat.S_IMODE(p.stat().st_mode)) for p in folder.iterdir()}


def test_clients_find_the_authority_a_certificate_and_a_key_only_this_user_reads(
    written: Callable[..., Path],
) -> None:
    before = os.umask(0)
    try:
        folder = written()
    finally:
        os.umask(before)
    assert files(folder) == {
        "ca.crt": ("authority\n", 0o644),
        "application.crt": ("certificate\n", 0o644),
        "application.key": ("key\n", 0o600),
    }


def test_what_has_not_changed_is_not_written_again(written: Callable[..., Path]) -> None:
    folder = written()
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    written(application_key="renewed\n", application_certificate="renewed too\n")
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {
        "application.key",
        "application.crt",
    }
    assert files(folder)["application.key"] == ("renewed\n", 0o600)


def test_a_key_that_others_could_read_becomes_this_users_again(
    written: Callable[..., Path],
) -> None:
    folder = written()
    (folder / "application.key").chmod(0o644)
    written()
    assert files(folder)["application.key"][1] == 0o600


# Until all is well.


@pytest.fixture
def patient(stack: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The cluster, healthy from the start; who comes in is noted, and time passes by itself."""
    tried: list[str] = []
    clock = iter(range(0, 100_000, 5))
    time = SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=lambda _: None)
    well = SimpleNamespace(healthy=True, members=())
    monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(stack, "postgres_status", lambda: well)
    monkeypatch.setattr(stack, "redis_status", lambda: well)
    monkeypatch.setattr(
        module, "_log_in", lambda cluster, way: tried.append(f"postgres {way['port']}")
    )
    monkeypatch.setattr(module, "_ping", lambda cluster, port: tried.append(f"redis {port}"))
    return SimpleNamespace(stack=stack, tried=tried, patch=monkeypatch.setattr)


def test_up_is_done_when_both_databases_are_well_and_every_router_lets_in_to_each(
    patient: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    module.wait_until_healthy(patient.stack, Steps())
    assert patient.tried == ["postgres 5432", "redis 6379", "redis 6389"]
    said = capsys.readouterr().err
    assert "every standby streaming" in said
    assert "every Sentinel agreeing" in said


def test_it_waits_for_a_replica_that_is_not_in_step_yet(patient: Any) -> None:
    member = SimpleNamespace(name="redis-2", role="replica", state="syncing")
    states = iter([False, False, True])
    patient.patch(
        patient.stack,
        "redis_status",
        lambda: SimpleNamespace(healthy=next(states), members=(member,)),
    )
    module.wait_until_healthy(patient.stack, Steps())
    assert list(states) == []


@pytest.mark.parametrize(
    ("which", "title"), [("redis_status", "Redis"), ("postgres_status", "PostgreSQL")]
)
def test_who_is_not_well_in_time_is_named_with_every_members_state(
    patient: Any, which: str, title: str
) -> None:
    members = (
        SimpleNamespace(name="one", role="primary", state="running"),
        SimpleNamespace(name="two", role="replica", state="link down"),
    )
    patient.patch(patient.stack, which, lambda: SimpleNamespace(healthy=False, members=members))
    with pytest.raises(OperationFailed, match=f"^{title} is not healthy after 90 s$") as caught:
        module.wait_until_healthy(patient.stack, Steps())
    assert caught.value.details == ("one: primary, running", "two: replica, link down")


def test_a_router_that_lets_nobody_in_is_tried_again_and_then_named(patient: Any) -> None:
    tried = []

    def refuses(cluster: Any, port: int) -> None:
        tried.append(port)
        raise module._Refused(f"the router on port {port} lets nobody in: NOAUTH")

    patient.patch(module, "_ping", refuses)
    with pytest.raises(OperationFailed, match=r"^the router on port 6379 lets nobody in: NOAUTH$"):
        module.wait_until_healthy(patient.stack, Steps())
    assert len(tried) > 1


def test_redis_is_tried_as_an_application_comes_through_a_router(
    stack: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[dict[str, Any]] = []

    class Client:
        def __init__(self, **how: Any) -> None:
            made.append(how)

        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *_: Any) -> None:
            made.append({"closed": True})

        def ping(self) -> None:
            if len(made) == 1:
                raise redis.ConnectionError("Connection refused")

    monkeypatch.setattr(redis, "Redis", Client)
    with pytest.raises(module._Refused, match="port 6389 lets nobody in: Connection refused"):
        module._ping(stack, 6389)
    assert made.pop() == {"closed": True}
    (how,) = made
    assert (how["host"], how["port"]) == ("127.0.0.1", 6389)
    assert (how["username"], how["password"]) == ("application", "s3cret")
    assert (how["ssl"], how["ssl_ca_certs"]) == (True, f"{tmp_path}/.selfmonitor/local/ca.crt")


def test_a_refusal_of_postgresql_is_told_on_one_line(
    stack: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: Any) -> None:
        raise psycopg.OperationalError("connection failed:\n  no pg_hba.conf entry")

    monkeypatch.setattr(psycopg, "connect", refuses)
    monkeypatch.setattr(stack, "credentials", dict)
    with pytest.raises(
        module._Refused,
        match=r"^the router on port 5432 lets nobody in: connection failed: no pg_hba\.conf entry$",
    ):
        module._log_in(stack, {"host": "127.0.0.1", "port": "5432"})
