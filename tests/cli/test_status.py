"""status: what it collects, and how a person and a program see it."""

import io
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from cli import backup_state
from cli import status as module
from cli.cluster import Cluster, MemberStatus, PostgresStatus
from cli.errors import OperationFailed
from cli.redis import RedisMember, RedisStatus, SentinelMember

MIB = 1024 * 1024
PARTS = ("vault", "backup", "replication", "restore", "side")


def postgres_status() -> PostgresStatus:
    standbys = (MemberStatus(f"postgres-{n}", "standby", "streaming", 1, 0, True) for n in (2, 3))
    first = MemberStatus("postgres-1", "primary", "running", 1, None, False)
    return PostgresStatus("postgres-1", (first, *standbys))


def redis_status(**changes: Any) -> RedisStatus:
    """Healthy, but for what is said of a server in its name: {redis_2: {"lag_bytes": 1}}."""
    plain: dict[str, dict[str, Any]] = {
        "redis-1": {"role": "primary", "state": "running"},
        "redis-2": {"role": "replica", "state": "in step", "lag_bytes": 0},
        "redis-3": {"role": "replica", "state": "in step", "lag_bytes": 0},
        **{f"sentinel-{n}": {"state": "healthy"} for n in (1, 2, 3)},
    }
    figures = {
        "memory_bytes": 3 * MIB,
        "memory_limit_bytes": 256 * MIB,
        "persistence": "ok",
        "last_snapshot_seconds": 59,
    }
    agreed = {"primary": "redis-1", "quorum": True, "usable": 3}
    given = {name.replace("_", "-"): each for name, each in changes.items()}
    found = {
        name: {**(figures if name.startswith("redis") else agreed), **each, **given.get(name, {})}
        for name, each in plain.items()
    }
    return RedisStatus(
        "redis-1",
        tuple(RedisMember(n, **each) for n, each in found.items() if n.startswith("redis")),
        tuple(SentinelMember(n, **each) for n, each in found.items() if n.startswith("sentinel")),
    )


@pytest.fixture
def looks(stack: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the two databases say of themselves."""

    def prepare(redis: RedisStatus, postgres: PostgresStatus | None = None) -> None:
        monkeypatch.setattr(stack, "redis_status", lambda: redis)
        monkeypatch.setattr(stack, "postgres_status", lambda: postgres or postgres_status())

    prepare(redis_status())
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)
    stack.project.__dict__["configuration"] = {}
    return prepare


def text(stack: Cluster) -> str:
    console = Console(file=io.StringIO(), width=120, no_color=True)
    console.print(module.render(module.collect(stack)))
    found = console.file
    assert isinstance(found, io.StringIO)
    return found.getvalue()


def row(stack: Cluster, name: str) -> str:
    (found,) = [line for line in text(stack).splitlines() if line.startswith(name + " ")]
    return " ".join(found.split())


def test_json_has_both_databases_those_who_watch_and_where_they_are_reached(
    stack: Cluster, looks: Callable[..., None]
) -> None:
    result = CliRunner().invoke(module.status, ["-o", "json"], standalone_mode=False)
    assert result.return_value == 0
    found = json.loads(result.output)
    assert found.keys() == {
        *("stack", "healthy", "postgres", "redis", "consensus", "routers", "events", "endpoints"),
        *("backup", "reasons"),
    }
    assert found["healthy"] is True
    assert found["reasons"] == [], "no test and no copy yet is no trouble"
    assert found["redis"]["leader"] == "redis-1"
    assert found["redis"]["members"][1] == {
        "name": "redis-2",
        "role": "replica",
        "state": "in step",
        "lag_bytes": 0,
        "memory_bytes": 3 * MIB,
        "memory_limit_bytes": 256 * MIB,
        "persistence": "ok",
        "last_snapshot_seconds": 59,
        "timeline": None,
    }
    assert found["redis"]["sentinels"][2] == {
        "name": "sentinel-3",
        "state": "healthy",
        "primary": "redis-1",
        "quorum": True,
        "usable": 3,
    }
    assert found["events"] == [{"name": "events-1", "workload": "events", "state": "healthy"}]
    assert [each["name"] for each in found["consensus"]] == ["etcd-1", "etcd-2", "etcd-3"]
    assert [each["name"] for each in found["routers"]] == ["router-1", "router-2"]
    assert found["endpoints"] == {
        "read_write": ["127.0.0.1:5432", "127.0.0.1:5442"],
        "read_only": ["127.0.0.1:5433", "127.0.0.1:5443"],
        "redis": ["127.0.0.1:6379", "127.0.0.1:6389"],
    }


@pytest.mark.parametrize(
    "sick",
    [
        {"redis_2": {"state": "link down"}},
        {"sentinel_3": {"primary": "redis-2"}},
        {"sentinel_3": {"quorum": False}},
        {"sentinel_1": {"usable": 2}},
    ],
)
def test_a_redis_that_is_not_well_is_a_stack_that_is_not(
    stack: Cluster, looks: Callable[..., None], sick: dict[str, Any]
) -> None:
    looks(redis_status(**sick))
    for output in ("json", "text"):
        result = CliRunner().invoke(module.status, ["-o", output], standalone_mode=False)
        assert result.return_value == 1
    assert "NOT HEALTHY" in text(stack)


@pytest.mark.parametrize("name", ["events-1", "router-2", "etcd-1", "vault-1", "side-1"])
def test_so_is_one_of_whose_containers_docker_says_that_it_is_not(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any], name: str
) -> None:
    assert module.collect(stack)["healthy"]
    containers[name].health = "unhealthy"
    assert not module.collect(stack)["healthy"]
    containers[name].state = "exited"
    found = module.collect(stack)
    assert (found["healthy"], found["reasons"]) == (False, [f"{name} is exited"])
    assert "exited" in row(stack, name)


def test_redis_and_its_sentinels_speak_for_themselves(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    """Docker's word comes late, and once only."""
    containers["redis-2"].health = containers["sentinel-1"].health = "unhealthy"
    found = module.collect(stack)
    assert found["healthy"]
    assert text(stack).count("redis-2 ") == 1


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "redis-2 replica in step 0 B 3.0/256 MiB ok, 59 s ago"),
        ({"lag_bytes": 1023}, "redis-2 replica in step 1023 B 3.0/256 MiB ok, 59 s ago"),
        ({"lag_bytes": 4096}, "redis-2 replica in step 4 KiB 3.0/256 MiB ok, 59 s ago"),
        ({"memory_limit_bytes": 0}, "redis-2 replica in step 0 B 3.0 MiB ok, 59 s ago"),
        ({"last_snapshot_seconds": 119}, "redis-2 replica in step 0 B 3.0/256 MiB ok, 119 s ago"),
        ({"last_snapshot_seconds": 120}, "redis-2 replica in step 0 B 3.0/256 MiB ok, 2 min ago"),
        ({"last_snapshot_seconds": 7200}, "redis-2 replica in step 0 B 3.0/256 MiB ok, 2 h ago"),
        (
            {"persistence": "snapshot failed"},
            "redis-2 replica in step 0 B 3.0/256 MiB snapshot failed, 59 s ago",
        ),
        (
            dict.fromkeys(
                ("lag_bytes", "memory_bytes", "persistence", "last_snapshot_seconds"), None
            )
            | {"role": "unknown", "state": "exited"},
            "redis-2 unknown exited",
        ),
    ],
)
def test_a_member_is_one_row_of_the_table(
    stack: Cluster, looks: Callable[..., None], changes: dict[str, Any], shown: str
) -> None:
    looks(redis_status(redis_2=changes))
    assert row(stack, "redis-2") == shown


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "sentinel-2 sentinel redis-1, quorum of 3"),
        ({"usable": 2}, "sentinel-2 sentinel redis-1, quorum of 2"),
        ({"quorum": False}, "sentinel-2 sentinel redis-1, NO QUORUM"),
        ({"primary": "redis-3"}, "sentinel-2 sentinel redis-3, quorum of 3"),
        ({"primary": None}, "sentinel-2 sentinel no primary, quorum of 3"),
        (
            {"state": "unreachable", "primary": None, "quorum": False, "usable": 0},
            "sentinel-2 sentinel unreachable",
        ),
    ],
)
def test_a_sentinel_is_one_row_of_the_table(
    stack: Cluster, looks: Callable[..., None], changes: dict[str, Any], shown: str
) -> None:
    looks(redis_status(sentinel_2=changes))
    assert row(stack, "sentinel-2") == shown


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def archiver(**changes: Any) -> str:
    note = {"time": ago(seconds=1), "state": "ok", "last_archived_at": ago(seconds=4.5)}
    return f"= archiver\n{json.dumps({**note, **changes})}\n\n"


def run(kind: str, result: str | None = "ok", **changes: Any) -> str:
    record = {
        "kind": kind,
        "started": ago(hours=4),
        "ended": ago(hours=3, seconds=5) if result else None,
        "result": result,
        "bytes": 7,
        "error": None,
        **changes,
    }
    return json.dumps({"record": record}) + "\n"


def lines_of(stack: Cluster) -> list[str]:
    return [" ".join(line.split()) for line in text(stack).splitlines()]


def test_backups_are_told_by_what_their_parts_noted(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    runs = run("full", "failed") + run("full") + json.dumps({"sent": "x"}) + "\n"
    containers["backup-1"].answer = lambda command: (
        *(0, archiver() + "= records\n" + runs + run("redis") + run("logical", None) + '{"rec'),
    )
    containers["replication-1"].answer = lambda command: (
        *(0, "= copy\n" + json.dumps({"time": ago(), "state": "ok", "lag_seconds": 2.5}) + "\n\n"),
    )
    containers["restore-test-1"].answer = lambda command: (
        *(0, "= records\n" + run("restore-test")),
    )
    found = module.collect(stack)
    assert found["healthy"]
    assert [each["name"] for each in found["backup"]["members"]] == [
        *("backup-1", "replication-1", "restore-test-1", "side-1", "vault-1", "vault-copy-1"),
    ]
    assert found["backup"]["last"].keys() == {"full", "redis", "restore-test"}
    shown = lines_of(stack)
    assert "archive ok, last segment 4 s ago" in shown
    assert "second copy ok, 2 s behind" in shown
    assert "restore test 3 h ago" in shown
    assert "last backups full 3 h ago, redis 3 h ago" in shown
    # One look each.
    assert len(containers["backup-1"].asked) == 2


@pytest.mark.parametrize("state", ["failing", "stuck"])
def test_an_archiver_that_fails_is_a_stack_that_is_not_well(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any], state: str
) -> None:
    said = archiver(state=state, message="the vault is away", waiting_segments=3, waiting_bytes=48)
    containers["backup-1"].answer = lambda command: (0, said)
    assert module.collect(stack)["reasons"] == [f"the archive is {state}: the vault is away"]
    wanted = f"archive {state}, last segment 4 s ago, 3 wait (48 B): the vault is away"
    assert wanted in lines_of(stack)


def test_what_nobody_has_looked_at_for_long_is_not_known(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    said = archiver(time=ago(minutes=10, seconds=5), last_archived_at=None)
    containers["backup-1"].answer = lambda command: (0, said)
    assert "archive unknown: nobody has looked for 10 min" in lines_of(stack)


def test_a_restore_test_that_failed_says_why(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    said = "= records\n" + run("restore-test", "failed", error="page 7 is damaged")
    containers["restore-test-1"].answer = lambda command: (0, said)
    assert "restore test failed 3 h ago (page 7 is damaged)" in lines_of(stack)


FAILED = "the last restore test failed 3 h ago: page 7 is damaged"


@pytest.mark.parametrize(
    ("runs", "reasons"),
    [
        (["failed"], [FAILED]),
        (["ok", "failed"], [FAILED]),
        (["failed", "ok"], []),
        # Who was stopped has neither proven nor disproven anything.
        (["failed", "interrupted"], [FAILED]),
        (["failed", None], [FAILED]),
        (["ok", "interrupted"], []),
        (["interrupted"], []),
        ([None], []),
    ],
)
def test_the_newest_restore_test_that_came_to_a_result_decides(
    stack: Cluster,
    looks: Callable[..., None],
    containers: dict[str, Any],
    runs: list[str | None],
    reasons: list[str],
) -> None:
    error = {"failed": "page 7 is damaged", "interrupted": "it was asked to stop"}
    said = "".join(run("restore-test", each, error=error.get(each or "")) for each in runs)
    containers["restore-test-1"].answer = lambda command: (0, f"= records\n{said}")
    found = CliRunner().invoke(module.status, ["-o", "json"], standalone_mode=False)
    document = json.loads(found.output)
    assert (document["healthy"], document["reasons"]) == (not reasons, reasons)
    assert found.return_value == (1 if reasons else 0)
    found = CliRunner().invoke(module.status, [], standalone_mode=False)
    assert found.return_value == (1 if reasons else 0)
    shown = [line.strip() for line in found.output.splitlines()]
    assert [line for line in shown if line in reasons] == reasons
    assert ("NOT HEALTHY" in found.output) is bool(reasons)


def test_another_job_that_failed_makes_no_restore_test_fail(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    said = "= records\n" + run("logical", "failed", error="no room")
    containers["backup-1"].answer = lambda command: (0, said)
    assert module.collect(stack)["reasons"] == []


@pytest.mark.parametrize(
    ("copy", "age_minutes", "reasons"),
    [
        ({"state": "copying", "lag_seconds": 890.0}, 0, []),
        ({"state": "copying", "lag_seconds": 1000.5}, 0, ["the second copy is 16 min behind"]),
        (
            {"state": "copy-away", "lag_seconds": 7300, "message": "vault-copy-1: no answer"},
            0,
            ["the second copy is 2 h behind: vault-copy-1: no answer"],
        ),
        # Before the first look.
        ({"state": "copy-away", "lag_seconds": None}, 0, []),
        # Nobody looks any more: what it lacks since is not known.
        ({"state": "ok", "lag_seconds": 0}, 10, []),
        (
            {"state": "ok", "lag_seconds": 0},
            20,
            ["the second copy is 20 min behind: nobody has looked for 20 min"],
        ),
    ],
)
def test_a_copy_that_is_too_far_behind_is_a_stack_that_is_not_well(
    stack: Cluster,
    looks: Callable[..., None],
    containers: dict[str, Any],
    copy: dict[str, Any],
    age_minutes: int,
    reasons: list[str],
) -> None:
    said = "= copy\n" + json.dumps({"time": ago(minutes=age_minutes), **copy}) + "\n\n"
    containers["replication-1"].answer = lambda command: (0, said)
    found = module.collect(stack)
    assert (found["healthy"], found["reasons"]) == (not reasons, reasons)


def test_how_far_it_may_be_behind_is_the_stack_files(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    stack.project.__dict__["configuration"] = {
        "selfmonitor:backup": '{"second_region_lag_seconds": 60}'
    }
    note = {"time": ago(), "state": "copying", "lag_seconds": 100}
    said = f"= copy\n{json.dumps(note)}\n\n"
    containers["replication-1"].answer = lambda command: (0, said)
    assert module.collect(stack)["reasons"] == ["the second copy is 100 s behind"]


def test_databases_that_are_not_well_are_reasons(
    stack: Cluster, looks: Callable[..., None]
) -> None:
    nobody = PostgresStatus(None, (MemberStatus("postgres-1", "unknown", "exited", 0, 0, False),))
    looks(redis_status(redis_2={"state": "link down"}), nobody)
    assert module.collect(stack)["reasons"] == [
        "PostgreSQL has no primary",
        "Redis: not every replica is in step, or not every Sentinel counts and agrees",
    ]


def test_a_stack_without_backups_is_shown_without(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    for name in [each for each in containers if each.partition("-")[0] in PARTS]:
        del containers[name]
    assert module.collect(stack)["healthy"]
    assert not [line for line in lines_of(stack) if line.startswith(("archive", "second copy"))]


def test_what_the_parts_wrote_is_found_by_a_shell_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "archiver.json").write_text(json.dumps({"state": "ok"}) + "\n")
    (tmp_path / "records.jsonl").write_text(run("full") + run("full", "failed"))
    script = backup_state.LOOK.replace("/var/lib/backup", str(tmp_path))
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    found = backup_state.parse(said)
    assert found["archiver"] == {"state": "ok"}
    assert found["last"]["full"]["result"] == "failed"
    script = backup_state.LOOK.replace("/var/lib/backup", str(tmp_path / "none"))
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    assert backup_state.parse(said) == {}


def test_a_stack_that_is_not_up_says_how_to_bring_it_up(
    stack: Cluster, looks: Callable[..., None], containers: dict[str, Any]
) -> None:
    containers.clear()
    with pytest.raises(OperationFailed, match="stack local is not up: "):
        CliRunner().invoke(module.status, [], standalone_mode=False, catch_exceptions=False)
