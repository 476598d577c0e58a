"""What is told after a recovery."""

from types import SimpleNamespace
from typing import Any

import docker.errors

from cli.cluster import Cluster
from cli.recovered import what_redis_got

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
