"""Members as pods: which there are, how they are, and what runs in them."""

from typing import Any

import pytest

from cli.containers import CannotBeAsked, execute
from cli.errors import OperationFailed, UserError
from cli.kubernetes_pod import HELD, Pod


def status_of(api: Any, member: str) -> dict[str, Any]:
    found: dict[str, Any] = api.objects["pods", member]["status"]["containerStatuses"][0]
    return found


def test_members_are_those_there_are_to_be_whether_or_not_they_have_a_pod(
    api: Any, cluster: Any
) -> None:
    del api.objects["pods", "postgres-2"]
    found = cluster.containers("postgres")
    assert [(each.member, each.state) for each in found] == [
        ("postgres-1", "running"),
        ("postgres-2", "missing"),
        ("postgres-3", "running"),
    ]
    assert cluster.members("etcd") == []


def test_a_cluster_that_has_lost_a_pod_is_not_healthy(api: Any, cluster: Any) -> None:
    primary = (
        b'{"role": "primary", "state": "running", "timeline": 1, "xlog": {"location": 9},'
        b' "replication": [{"application_name": "postgres-2", "sync_state": "quorum"}]}'
    )
    standby = (
        b'{"role": "replica", "state": "running", "timeline": 1, "replication_state": "streaming",'
        b' "xlog": {"received_location": 9}}'
    )
    answers = iter([primary, standby])
    api.answers["postgres"] = lambda command: (0, next(answers), b"")
    del api.objects["pods", "postgres-3"]
    found = cluster.postgres_status()
    assert found.leader is not None
    assert not found.healthy
    assert (found.members[2].name, found.members[2].state) == ("postgres-3", "missing")


def test_a_name_there_is_not_lists_those_there_are(cluster: Any) -> None:
    with pytest.raises(UserError, match=r"shop has no member postgres-9; there are: events-1, "):
        cluster.container("postgres-9")


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"running": {}}, "running"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "CrashLoopBackOff"),
        ({"waiting": {}}, "waiting"),
        ({"terminated": {"reason": "OOMKilled"}}, "OOMKilled"),
    ],
)
def test_the_state_is_the_kubelets_word(
    api: Any, cluster: Any, state: dict[str, Any], word: str
) -> None:
    status_of(api, "redis-1")["state"] = state
    assert cluster.container("redis-1").state == word


def test_a_pod_without_a_place_says_so(api: Any, cluster: Any) -> None:
    status = api.objects["pods", "redis-1"]["status"]
    del status["containerStatuses"]
    status["phase"] = "Pending"
    assert cluster.container("redis-1").state == "pending"
    status["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    assert cluster.container("redis-1").state == "Unschedulable"


def test_what_goes_is_told_apart_by_why(api: Any, cluster: Any) -> None:
    pod = api.objects["pods", "redis-1"]
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    assert cluster.container("redis-1").state == "running", "it still hands over"
    status_of(api, "redis-1")["state"] = {"terminated": {}}
    assert cluster.container("redis-1").state == "terminating"
    pod["metadata"]["finalizers"] = [HELD]
    assert cluster.container("redis-1").state == "killed"


@pytest.mark.parametrize(
    ("ready", "started", "word"),
    [(True, True, "healthy"), (False, True, "unhealthy"), (False, False, "")],
)
def test_health_is_readiness_once_it_has_started(
    api: Any, cluster: Any, ready: bool, started: bool, word: str
) -> None:
    status_of(api, "redis-1").update(ready=ready, started=started)
    assert cluster.container("redis-1").health == word


# Commands.


@pytest.fixture
def pod(api: Any, cluster: Any) -> Any:
    api.answers["redis"] = lambda command: (3, b"out", b"err")
    return cluster.container("redis-2")


def test_a_command_is_answered_as_docker_does(api: Any, pod: Pod) -> None:
    found = pod.exec_run(["look", "main"])
    assert (found.exit_code, found.output) == (3, b"outerr")
    assert api.commands == [("redis-2", ["look", "main"])]
    assert api.last.closed
    assert pod.exec_run(["x"], stderr=False).output == b"out"
    assert pod.exec_run(["x"], demux=True).output == (b"out", b"err")
    assert list(pod.exec_run(["x"], stream=True, demux=True).output) == [
        (b"out", None),
        (None, b"err"),
    ]
    assert list(pod.exec_run(["x"], stream=True, stderr=False).output) == [b"out"]


def test_nothing_said_is_none_apart_and_empty_together(api: Any, pod: Pod) -> None:
    api.answers["redis"] = lambda command: (0, b"", b"")
    assert pod.exec_run(["x"], demux=True).output == (None, None)
    assert pod.exec_run(["x"]).output == b""


def test_a_pod_that_is_gone_cannot_be_asked(api: Any, cluster: Any) -> None:
    del api.objects["pods", "redis-2"]
    with pytest.raises(OperationFailed, match=r"^redis-2 cannot be asked: it has no pod at the "):
        execute(cluster.container("redis-2"), ["x"])
    api.unreachable.add("redis-1")
    with pytest.raises(CannotBeAsked, match="container not found"):
        cluster.container("redis-1").exec_run(["x"])


def test_a_stream_that_breaks_off_ends_without_a_word(pod: Pod, api: Any) -> None:
    def breaks() -> Any:
        yield b"begun", None
        raise CannotBeAsked("the connection broke")

    executed = api.execute

    def broken(*arguments: Any, **how: Any) -> Any:
        exchange = executed(*arguments, **how)
        exchange.pieces = breaks
        return exchange

    api.execute = broken
    assert list(pod.exec_run(["x"], stream=True).output) == [b"begun"]
    with pytest.raises(CannotBeAsked, match="the connection broke"):
        pod.exec_run(["x"])


def test_a_persons_own_command_goes_to_the_container_of_the_stack(pod: Pod) -> None:
    assert pod.command_line(terminal=True, environment={"SECRET": "/tmp/x"}) == [
        *("kubectl", "--context", "shop-cluster", "--namespace", "selfmonitor-shop"),
        *("exec", "-it", "redis-2", "-c", "redis", "--", "env", "SECRET=/tmp/x"),
    ]
    assert pod.command_line()[-4:] == ["redis-2", "-c", "redis", "--"]


def test_the_log_is_the_containers(pod: Pod) -> None:
    assert b"".join(pod.logs(tail=7)) == b"redis-2/redis 7 False\n"
