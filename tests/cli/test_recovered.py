"""What is told and asked for after a recovery."""

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cli.cluster import Cluster
from cli.console import Steps
from cli.recovered import ask_for_full_backup, what_redis_got

LOG = b"""load-redis: the primary changed while keys were loaded: once more (1 of 3)
something else
load-redis: redis/20261123T023000Z/: 7 keys loaded, 2 were there already and stayed
"""


def engine(log: bytes | None) -> Any:
    """Has a job with this log; None: has none."""

    def get(name: str) -> Any:
        assert name == "selfmonitor-local-load-redis-1"
        if log is None:
            raise docker.errors.NotFound(name)
        return SimpleNamespace(logs=lambda stdout, stderr, tail: b"" if stdout else log)

    return SimpleNamespace(containers=SimpleNamespace(get=get))


def test_what_redis_got_is_said_by_the_job_that_filled_it(stack: Cluster) -> None:
    assert what_redis_got(stack.project, engine(LOG)) == [
        "Redis: the primary changed while keys were loaded: once more (1 of 3)",
        "Redis: redis/20261123T023000Z/: 7 keys loaded, 2 were there already and stayed",
    ]


def test_without_such_a_job_nothing_is_said(stack: Cluster) -> None:
    assert what_redis_got(stack.project, engine(None)) == []


@pytest.mark.parametrize(
    ("since", "options"),
    [(None, []), ("2026-11-23T09:00:00Z", ["--since", "2026-11-23T09:00:00Z"])],
)
def test_a_full_backup_is_asked_for_where_it_is_made(
    stack: Cluster, containers: dict[str, Any], since: str | None, options: list[str], capsys: Any
) -> None:
    ask_for_full_backup(stack, Steps(), since)
    (asked,) = containers["backup-1"].asked
    assert asked[3:] == ["want-full", *options, "--json"]
    assert "✓ a full backup is made by itself" in capsys.readouterr().err


def test_a_service_that_cannot_be_asked_is_told_with_what_to_do(
    stack: Cluster, containers: dict[str, Any], capsys: Any
) -> None:
    containers["backup-1"].state = "exited"
    ask_for_full_backup(stack, Steps())
    said = capsys.readouterr().err
    assert "backup-1 of stack local does not run" in said
    assert "./selfmonitor backup now --kind full" in said
