"""switchover: which of the two services it moves, and when it is done."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cli import switchover as module
from cli.errors import OperationFailed
from cli.project import Project


class Cluster:
    """Both services; each is healthy again at the second look after a move."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, str | None]] = []
        self.looks = 0
        self.heals = True

    def _status(self, leader: str) -> Any:
        self.looks += 1
        return SimpleNamespace(leader=leader, healthy=self.heals and self.looks > 2)

    def postgres_status(self) -> Any:
        return self._status("postgres-1")

    def redis_status(self) -> Any:
        return self._status("redis-1")

    def switchover(self, to: str | None = None) -> str:
        self.moves.append(("postgres", to))
        return to or "postgres-2"

    def redis_switchover(self, to: str | None = None) -> str:
        self.moves.append(("redis", to))
        return to or "redis-2"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    clock = iter(range(0, 10_000, 10))
    time = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None)
    monkeypatch.setattr(module, "open_cluster", lambda context: found)
    monkeypatch.setattr(module, "time", time)
    return found


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Callable[..., Any]:
    def go(*arguments: str) -> Any:
        return CliRunner().invoke(module.switchover, arguments, obj=Project(tmp_path, "local"))

    return go


@pytest.mark.parametrize(
    ("arguments", "move", "said"),
    [
        ([], ("postgres", None), "postgres-1 → postgres-2"),
        (["postgres"], ("postgres", None), "postgres-1 → postgres-2"),
        (["--to", "postgres-3"], ("postgres", "postgres-3"), "postgres-1 → postgres-3"),
        (["redis"], ("redis", None), "redis-1 → redis-2"),
        (["redis", "--to", "redis-3"], ("redis", "redis-3"), "redis-1 → redis-3"),
    ],
)
def test_the_service_that_is_named_is_moved_and_postgresql_when_none_is(
    cluster: Cluster,
    run: Callable[..., Any],
    arguments: list[str],
    move: tuple[str, str | None],
    said: str,
) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert cluster.moves == [move]
    assert said in result.stderr
    assert cluster.looks > 2, "it waited for the others"


def test_a_service_there_is_not_is_refused_with_those_there_are(
    cluster: Cluster, run: Callable[..., Any]
) -> None:
    result = run("mysql")
    assert result.exit_code == 2
    assert "'postgres', 'redis'" in result.stderr
    assert cluster.moves == []


def test_when_the_others_do_not_follow_it_says_who_is_primary_now(
    cluster: Cluster, run: Callable[..., Any]
) -> None:
    cluster.heals = False
    result = run("redis")
    assert isinstance(result.exception, OperationFailed)
    assert str(result.exception).startswith("redis-2 is primary, but the others do not all follow")
