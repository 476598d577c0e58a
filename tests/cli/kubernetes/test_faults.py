"""What a drill does to pods, in which order, and that all of it is undone."""

from typing import Any

import pytest

from cli import kubernetes_faults as module
from cli.errors import OperationFailed, UserError
from cli.kubernetes_api import Refused
from cli.kubernetes_faults import FREEZE, KILL, THAW
from cli.kubernetes_pod import HELD


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)


def uid(api: Any, member: str) -> str:
    found: str = api.objects["pods", member]["metadata"]["uid"]
    return found


def finalizers(change: dict[str, Any]) -> Any:
    return change["metadata"]["finalizers"]


def test_a_killed_pod_is_held_then_dies_then_goes_in_that_order(api: Any, cluster: Any) -> None:
    cluster.kill("postgres-1")
    held, killed, deleted = api.did
    assert held[:2] == ("patch", "postgres-1")
    assert finalizers(held[2]) == [HELD]
    assert killed == ("exec", "postgres-1", KILL)
    assert deleted == ("delete", "postgres-1", 0)


def test_it_stays_away_until_it_is_started_and_then_is_another(api: Any, cluster: Any) -> None:
    before = uid(api, "postgres-1")
    cluster.kill("postgres-1")
    assert uid(api, "postgres-1") == before
    assert cluster.container("postgres-1").state == "killed"
    others = {name: uid(api, name) for name in ("postgres-2", "redis-1")}
    cluster.start("postgres-1")
    assert uid(api, "postgres-1") != before
    assert cluster.container("postgres-1").state == "running"
    assert {name: uid(api, name) for name in others} == others


def test_a_drill_that_died_is_undone_by_another_process(
    api: Any, cluster: Any, project: Any
) -> None:
    cluster.kill("postgres-1")
    again = type(cluster)(project, api)
    assert again.container("postgres-1").state == "killed"
    again.start("postgres-1")
    assert again.container("postgres-1").state == "running"


def test_the_kill_is_done_once_the_kubelet_says_that_it_is_dead(api: Any, cluster: Any) -> None:
    api.seen_dead_after = 4
    cluster.kill("postgres-1")
    assert api.seen_dead_after == 0


def test_one_that_does_not_die_is_a_failure_and_can_be_healed(
    api: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEAD_SECONDS", 0.05)
    api.seen_dead_after = 10**9
    with pytest.raises(OperationFailed, match=r"^postgres-1 is not dead"):
        cluster.kill("postgres-1")
    cluster.start("postgres-1")
    assert not cluster.container("postgres-1").held


def test_a_shell_that_dies_with_its_container_is_no_failure(api: Any, cluster: Any) -> None:
    api.unreachable.add("postgres-1")
    cluster.kill("postgres-1")
    assert cluster.container("postgres-1").state == "killed"


def test_others_marks_on_the_pod_are_left_alone(api: Any, cluster: Any) -> None:
    api.objects["pods", "postgres-1"]["metadata"]["finalizers"] = ["example.com/billing"]
    cluster.kill("postgres-1")
    assert finalizers(api.did[0][2]) == ["example.com/billing", HELD]
    cluster.start("postgres-1")
    assert finalizers(api.did[-1][2]) == ["example.com/billing"]


@pytest.mark.parametrize("times", [1, 4])
def test_a_pod_that_changes_meanwhile_is_looked_at_anew(
    api: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    patch, left = api.patch, [None] * times

    def changed_before(kind: str, name: str, change: Any) -> Any:
        if left:
            left.pop()
            metadata = api.objects[kind, name]["metadata"]
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
            metadata["finalizers"] = ["example.com/billing"]
        return patch(kind, name, change)

    monkeypatch.setattr(api, "patch", changed_before)
    cluster.kill("postgres-1")
    assert left == []
    assert api.objects["pods", "postgres-1"]["metadata"]["finalizers"] == [
        "example.com/billing",
        HELD,
    ]


def test_a_pod_that_never_comes_to_rest_is_told(
    api: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(kind: str, name: str, change: Any) -> Any:
        raise Refused(409, "the object has been modified")

    monkeypatch.setattr(api, "patch", refuses)
    with pytest.raises(Refused, match="the object has been modified"):
        cluster.kill("postgres-1")
    assert api.did == [], "nothing was killed that could not be held"


@pytest.mark.parametrize("undo", ["start", "unpause", "reconnect"])
def test_where_there_is_nothing_to_undo_nothing_is_broken(
    api: Any, cluster: Any, undo: str
) -> None:
    before = uid(api, "postgres-1")
    getattr(cluster, undo)("postgres-1")
    assert uid(api, "postgres-1") == before
    assert cluster.container("postgres-1").state == "running"
    del api.objects["pods", "postgres-1"]
    getattr(cluster, undo)("postgres-1")


@pytest.mark.parametrize(
    "fault", ["kill", "start", "restart", "pause", "unpause", "disconnect", "reconnect"]
)
def test_a_member_there_is_not_is_refused_before_anything(
    api: Any, cluster: Any, fault: str
) -> None:
    with pytest.raises(UserError, match="has no member postgres-7"):
        getattr(cluster, fault)("postgres-7")
    assert api.did == []


def test_a_pod_that_is_gone_cannot_be_killed_again(api: Any, cluster: Any) -> None:
    del api.objects["pods", "postgres-1"]
    with pytest.raises(OperationFailed, match="postgres-1 has no pod to kill"):
        cluster.kill("postgres-1")


def test_a_restart_is_asked_for_in_order_and_ends_with_a_successor(api: Any, cluster: Any) -> None:
    before = uid(api, "postgres-1")
    cluster.restart("postgres-1")
    assert api.did == [("delete", "postgres-1", None)]
    assert uid(api, "postgres-1") != before


def test_a_restart_without_a_successor_is_a_failure(
    api: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUCCESSOR_SECONDS", -104.9)
    monkeypatch.setattr(api, "_settle", lambda name: None)
    with pytest.raises(OperationFailed, match="postgres-1 has no successor"):
        cluster.restart("postgres-1")


# Frozen.


def test_all_processes_stop_and_go_on(api: Any, cluster: Any) -> None:
    cluster.pause("redis-1")
    assert cluster.container("redis-1").state == "paused"
    cluster.unpause("redis-1")
    assert cluster.container("redis-1").state == "running"
    assert api.commands == [
        ("redis-1", ["/bin/sh", "-c", FREEZE]),
        ("redis-1", ["/bin/sh", "-c", THAW]),
    ]


def test_a_frozen_member_is_not_asked_about_itself(api: Any, cluster: Any) -> None:
    cluster.pause("postgres-1")
    api.commands.clear()
    found = cluster.postgres_status()
    assert found.members[0].state == "paused"
    assert {pod for pod, _ in api.commands} == {"postgres-2", "postgres-3"}


def test_one_that_cannot_be_frozen_is_a_failure(api: Any, cluster: Any) -> None:
    api.answers["redis"] = lambda command: (1, b"", b"kill: no permission\n")
    with pytest.raises(OperationFailed, match=r"^redis-1 cannot be frozen: kill: no permission$"):
        cluster.pause("redis-1")
    api.unreachable.add("redis-1")
    with pytest.raises(OperationFailed, match=r"^redis-1 cannot be frozen: container not found$"):
        cluster.pause("redis-1")


def test_one_that_cannot_be_thawed_is_a_failure_unless_it_is_gone(api: Any, cluster: Any) -> None:
    cluster.pause("redis-1")
    api.unreachable.add("redis-1")
    with pytest.raises(OperationFailed, match=r"^redis-1 cannot be thawed: container not found$"):
        cluster.unpause("redis-1")
    executed = api.execute

    def replaced(*arguments: Any, **how: Any) -> Any:
        api.add_pod("redis-1", "redis")
        return executed(*arguments, **how)

    api.execute = replaced
    cluster.unpause("redis-1")


def test_the_server_alone_is_killed_by_its_own_number(api: Any, cluster: Any) -> None:
    cluster.kill_process("redis-1")
    ((pod, command),) = api.commands
    assert pod == "redis-1"
    assert command[-1] == 'kill -9 "$(head -n 1 /run/redis/redis.pid)"'
