"""The stack as the commands see it: how it is reached, and how its primary is moved."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import connection as connection_module
from cli import psql as psql_module
from cli import status as status_module
from cli.cluster import Cluster, open_cluster
from cli.containers import CannotBeAsked
from cli.errors import OperationFailed, UserError
from cli.kubernetes_cluster import KubernetesCluster
from cli.redis import RedisAccess
from platforms.workload import Segment


@pytest.fixture
def by_address(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every way in leads to 10.96.7.7; what was asked for."""
    asked: list[tuple[str, int]] = []

    def find(workload: str, published: int) -> tuple[str, int]:
        asked.append((workload, published))
        return "10.96.7.7", published + 10000

    monkeypatch.setattr(cluster._ways_in, "find", find)
    return asked


def test_libpq_verifies_the_certificates_name_wherever_it_connects_to(
    cluster: Any, project: Any, by_address: list[Any]
) -> None:
    assert cluster.conninfo() == {
        "host": "db.example.com",
        "hostaddr": "10.96.7.7",
        "port": "15432",
        "user": "user",
        "password": "pa55",
        "dbname": "db_user_profile",
        "sslmode": "verify-full",
        "sslrootcert": str(project.authority_file),
    }
    assert cluster.conninfo(read_only=True)["port"] == "15433"
    assert by_address == [("router", 5432), ("router", 5433)]


def test_what_clients_verify_by_is_written_down_whoever_applied_the_stack(
    cluster: Any, project: Any
) -> None:
    cluster.outputs()
    assert project.authority_file.read_text() == "CERTIFICATE OF THE AUTHORITY"
    assert stat.S_IMODE(project.application_key_file.stat().st_mode) == 0o600


def test_redis_is_reached_through_the_routers_alone(cluster: Any, by_address: list[Any]) -> None:
    access = cluster.redis_access()
    assert (access.host, access.address, access.ports) == ("db.example.com", "10.96.7.7", (16379,))
    assert access.sentinels == ()
    assert by_address == [("router", 6379)]


def test_an_application_is_told_names_of_the_cluster_and_no_address_of_this_machine(
    cluster: Any, by_address: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "open_cluster", lambda context: cluster)
    said = CliRunner().invoke(connection_module.connection, ["-o", "json"])
    found = json.loads(said.stdout)
    assert (found["hosts"], found["ports"]) == (["db.example.com"], [5432])
    said = CliRunner().invoke(connection_module.connection, ["redis", "-o", "json"])
    found = json.loads(said.stdout)
    assert (found["hosts"], found["ports"]) == (["db.example.com"], [6379])
    assert found["sentinels"] == ["sentinel-1:26379", "sentinel-2:26379", "sentinel-3:26379"]
    assert by_address == []


def test_the_instance_beside_is_reached_by_its_own_service(
    cluster: Any, by_address: list[Any]
) -> None:
    found = psql_module.beside(cluster, None)
    port = cluster.project.settings.backup.side_port
    assert by_address == [("side", port)]
    assert (found["host"], found["hostaddr"]) == ("db.example.com", "10.96.7.7")
    assert found["user"] == "user"


def test_members_are_called_by_their_names(cluster: Any) -> None:
    assert cluster.address("redis-2", Segment.CACHE) == "redis-2"
    with pytest.raises(UserError, match="postgres-1 is not in the segment cache"):
        cluster.address("postgres-1", Segment.CACHE)


# Status.


def test_status_needs_no_output_and_shows_where_clients_come_in(
    cluster: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.state_file.unlink()
    monkeypatch.setattr(status_module, "open_cluster", lambda context: cluster)
    result = CliRunner().invoke(status_module.status, ["-o", "json"], standalone_mode=False)
    assert result.return_value == 1, "nobody says who is primary"
    found = json.loads(result.output)
    assert found["endpoints"] == {
        "read_write": ["db.example.com:5432"],
        "read_only": ["db.example.com:5433"],
        "redis": ["db.example.com:6379"],
    }
    assert found["consensus"] == []
    assert found["routers"] == [
        {"name": f"router-{n}", "workload": "router", "state": "healthy"} for n in (1, 2)
    ]


def test_a_router_that_is_gone_for_the_moment_is_a_reason(api: Any, cluster: Any) -> None:
    del api.objects["pods", "router-2"]
    assert "router-2 is missing" in status_module.collect(cluster)["reasons"]


def test_redis_and_sentinels_are_asked_by_name(api: Any, cluster: Any) -> None:
    info = (
        "role:master\r\nmaster_repl_offset:9\r\nused_memory:1\r\nmaxmemory:2\r\n"
        "rdb_last_save_time:1\r\naof_enabled:1\r\naof_last_write_status:ok\r\n"
        "aof_last_bgrewrite_status:ok\r\nrdb_last_bgsave_status:ok\r\n"
    )
    words = "redis-1\n6379\nOK 3 usable Sentinels\n"

    def look(command: list[str]) -> tuple[int, bytes, bytes]:
        answers = [f"== redis-1\n{info}", "== redis-2\n", "== redis-3\n"]
        answers += [f"== sentinel-{n}\n{words}" for n in (1, 2, 3)]
        return 0, "".join(answers).encode(), b""

    api.answers["sentinel"] = look
    found = cluster.redis_status()
    ((pod, command),) = api.commands
    assert pod == "sentinel-1"
    assert command[2:4] == ["redis-1=redis:redis-1:6379", "redis-2=redis:redis-2:6379"]
    assert found.leader == "redis-1"
    assert [each.primary for each in found.sentinels] == ["redis-1"] * 3


# Switchover.


@pytest.mark.parametrize(
    ("status", "out", "err", "outcome"),
    [
        (0, "postgres-2\n", "hand-over: postgres-2: Switchover scheduled\n", "postgres-2"),
        # Another one took over in the end.
        (0, "postgres-3\n", "", "postgres-3"),
        (1, "", "hand-over: not handed over: the cluster is paused\n", "the cluster is paused"),
        # It was not the primary any more.
        (0, "", "", "no answer"),
    ],
)
def test_a_switchover_is_done_by_the_primary_itself(
    api: Any,
    cluster: Any,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    out: str,
    err: str,
    outcome: str,
) -> None:
    from cli.cluster import MemberStatus, PostgresStatus

    standbys = (MemberStatus(f"postgres-{n}", "standby", "streaming", 1, 0, True) for n in (2, 3))
    primary = MemberStatus("postgres-1", "primary", "running", 1, None, False)
    monkeypatch.setattr(
        cluster, "postgres_status", lambda: PostgresStatus("postgres-1", (primary, *standbys))
    )
    api.answers["postgres"] = lambda command: (status, out.encode(), err.encode())
    if outcome.startswith("postgres"):
        assert cluster.switchover() == outcome
    else:
        with pytest.raises(OperationFailed, match=outcome):
            cluster.switchover()
    command = next(command for _, command in api.commands if command[0] == "timeout")
    assert command[2:] == ["/usr/local/bin/hand-over", "8008", "postgres-2"]


# A writer inside.


def test_a_writer_inside_is_told_the_password_and_says_when_it_was_accepted(
    api: Any, cluster: Any
) -> None:
    api.answers["redis"] = lambda command: (0, b"1.5\n2.5\n", b"")
    writer = cluster.write_inside("redis-1", 8.0)
    assert api.last.told == [b"s3cret\n"]
    assert writer.result() == [1.5, 2.5]
    ((_, command),) = api.commands
    assert command == [
        *("/usr/local/bin/write-inside", "8.0", "selfmonitor_drill:inside:redis-1"),
    ]
    writer.close()
    assert api.last.closed


def test_a_writer_that_was_lost_sight_of_is_not_taken_for_one_that_ended(
    api: Any, cluster: Any
) -> None:
    def breaks() -> Any:
        yield b"1.5\n"
        raise CannotBeAsked("the connection broke")

    executed = api.execute

    def broken(*arguments: Any, **how: Any) -> Any:
        exchange = executed(*arguments, **how)
        exchange.said = breaks
        return exchange

    api.execute = broken
    writer = cluster.write_inside("redis-1", 8.0)
    with pytest.raises(OperationFailed, match="lost sight of: the connection broke"):
        writer.result()


# psql, in a container where this machine has none.

KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$LOG"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
PSQL = """#!/bin/sh
printf '%s\\n' "$1" > "$LOG.psql"
cat "$PGPASSFILE" > "$LOG.password"
"""


def test_without_a_psql_the_one_beside_the_routers_goes_through_them(
    api: Any, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("kubectl", KUBECTL), ("psql-there", PSQL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("sh", "cat", "rm", "env"):
        (programs / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setattr(psql_module, "open_cluster", lambda context: cluster)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "psql" else name)
    api.add(
        "services",
        "router-clients",
        spec={"clusterIP": "10.96.7.7", "ports": [{"port": 5432, "targetPort": 6432}]},
    )
    api.add("services", "router-1", spec={"clusterIP": "10.96.1.1"})
    (programs / "psql").symlink_to(programs / "psql-there")
    result = CliRunner().invoke(psql_module.psql, ["-c", "SELECT 1"], standalone_mode=False)
    assert result.return_value == 0
    calls = (tmp_path / "log").read_text()
    assert calls.count(" side-1 -c side -- ") == 2
    assert "pa55" not in calls
    said = (tmp_path / "log.psql").read_text()
    assert "host=router-1" in said
    assert "hostaddr=10.96.1.1" in said
    assert "port=6432" in said
    assert (tmp_path / "log.password").read_text() == "router-1:6432:db_user_profile:user:pa55\n"


def test_without_a_router_there_is_nowhere_to_go(api: Any, cluster: Any) -> None:
    api.add(
        "services",
        "router-clients",
        spec={"clusterIP": "10.96.7.7", "ports": [{"port": 5432, "targetPort": 6432}]},
    )
    for number in (1, 2):
        del api.objects["pods", f"router-{number}"]
    with pytest.raises(OperationFailed, match="no router runs"):
        cluster.router_inside("5432", Segment.DATA)


# Which cluster.


def opened(project: Any, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    context: Any = type("Context", (), {"find_object": lambda self, kind: project})()
    monkeypatch.setattr("cli.host.docker_engine.connect", lambda: pytest.fail("Docker was asked"))
    return open_cluster(context)


def test_the_stack_file_chooses_the_platform_and_the_context(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "kubeconfig"
    given.write_text(
        """
apiVersion: v1
kind: Config
current-context: other
clusters: [{name: one, cluster: {server: "https://shop.example.com:6443"}}]
users: [{name: me, user: {token: t0ken}}]
contexts:
  - {name: shop-cluster, context: {cluster: one, user: me}}
"""
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(given))
    before = given.read_text()
    found = opened(project, monkeypatch)
    assert isinstance(found, KubernetesCluster)
    assert found._api.namespace == "selfmonitor-shop"
    assert found._api._client.configuration.host == "https://shop.example.com:6443"
    assert given.read_text() == before


def test_without_a_kubeconfig_the_person_is_told_what_to_set(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none")
    )
    with pytest.raises(UserError, match=r"of context shop-cluster: .*set KUBECONFIG") as caught:
        opened(project, monkeypatch)
    assert "\n" not in str(caught.value)


def test_redis_access_is_complete(cluster: Any, by_address: list[Any]) -> None:
    found = cluster.redis_access()
    assert isinstance(found, RedisAccess)
    assert (found.username, found.password, found.service) == ("application", "s3cret", "main")
