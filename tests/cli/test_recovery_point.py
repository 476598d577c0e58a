"""The point a person names: found in the window or waited for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cli import recovery_point as module
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError

WINDOW = "it is outside the recoverable window, which is from … to …"


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("time", "2026-11-23T11:50:00.000000Z", "2026-11-23 11:50:00 UTC"),
        ("lsn", "0/3000060", "LSN 0/3000060"),
        ("name", "before", "restore point before"),
        ("latest", "", "the end of the archived WAL"),
    ],
)
def test_a_point_reads_as_what_it_is(kind: str, value: str, shown: str) -> None:
    assert str(module.Point(kind, value)) == shown


@pytest.fixture
def refusals(
    stack: Cluster, containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """How often the service refuses a point before it has it. Time passes by itself."""
    stack.project.__dict__["configuration"] = {}
    now = [0.0]
    clock = SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    monkeypatch.setattr(module, "time", clock)

    def prepare(number: int) -> None:
        left = [number]

        def answer(command: list[str]) -> tuple[int, str]:
            if left[0]:
                left[0] -= 1
                return 2, json.dumps({"event": "error", "message": WINDOW})
            point = {"kind": "time", "value": command[command.index("--to") + 1], "window": {}}
            return 0, json.dumps(point)

        containers["restore-test-1"].answer = answer

    return prepare


def asked(container: Any) -> list[str]:
    """The program's commands, in order."""
    return [each[3] for each in container.asked]


def recent(seconds: float = 1) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_a_point_in_the_window_asks_nothing_of_the_running_cluster(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    refusals(0)
    found = module.reachable(stack, "2026-11-23T11:50:00Z")
    assert found == module.Point("time", "2026-11-23T11:50:00Z")
    assert containers["backup-1"].asked == []


@pytest.mark.parametrize("prefix", ["", "time:", "time: "])
@pytest.mark.parametrize(("number", "switches"), [(1, 1), (2, 1), (3, 2), (9, 2)])
def test_a_moment_ago_is_waited_for_until_it_is_in_the_vault(
    stack: Cluster,
    containers: dict[str, Any],
    refusals: Callable[[int], None],
    number: int,
    switches: int,
    prefix: str,
) -> None:
    refusals(number)
    told: list[str] = []
    moment = prefix + recent()
    assert module.reachable(stack, moment, told.append).value == moment
    assert len(told) == 1
    # Once for what there is, once more for the commit after it.
    assert asked(containers["backup-1"]) == ["switch-wal", "flush-journal"] * switches


def test_a_moment_ago_that_does_not_arrive_is_refused_with_the_window(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    refusals(1000)
    containers["backup-1"].state = "exited"
    with pytest.raises(UserError, match="outside the recoverable window"):
        module.reachable(stack, recent())
    assert len(containers["restore-test-1"].asked) < 30


def test_a_time_long_ago_is_refused_at_once(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    refusals(1000)
    with pytest.raises(UserError, match="outside the recoverable window"):
        module.reachable(stack, "2020-01-01T00:00:00Z")
    assert containers["backup-1"].asked == []
    assert len(containers["restore-test-1"].asked) == 1


def test_a_name_that_is_nowhere_is_looked_for_once_more(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    refusals(1000)
    with pytest.raises(UserError, match="outside the recoverable window"):
        module.reachable(stack, "nobody_made_this")
    assert asked(containers["backup-1"]) == ["switch-wal", "flush-journal"]
    assert len(containers["restore-test-1"].asked) == 2


def test_a_time_to_come_is_refused_with_the_window_as_well(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    refusals(0)
    error = json.dumps({"event": "error", "message": "2099 is in the future"})
    containers["restore-test-1"].answer = lambda command: (2, error)
    info = json.dumps({"window": {"begin": "A", "end": "B"}})
    containers["backup-1"].answer = lambda command: (0, info)
    with pytest.raises(UserError, match=r"^2099 is in the future; the .* window is A to B$"):
        module.reachable(stack, "2099-01-01T00:00:00Z")
    containers["backup-1"].answer = lambda command: (1, "")
    with pytest.raises(UserError, match=r"^2099 is in the future$"):
        module.reachable(stack, "2099-01-01T00:00:00Z")


def test_a_service_that_fails_is_not_asked_again(
    stack: Cluster, containers: dict[str, Any], refusals: Callable[[int], None]
) -> None:
    error = json.dumps({"event": "error", "message": "vault-1 does not answer"})
    containers["restore-test-1"].answer = lambda command: (1, error)
    with pytest.raises(OperationFailed, match="vault-1 does not answer"):
        module.reachable(stack, recent())
    assert len(containers["restore-test-1"].asked) == 1
