"""What each service asks of the cluster."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli.drill import service


@pytest.fixture
def cluster() -> Any:
    access = SimpleNamespace(
        host="127.0.0.1",
        ports=(6379, 6389),
        sentinels=(("10.87.1.96", 26379),),
        service="main",
        username="application",
        password="secret",
        ca_file="ca.crt",
        certificate_file="application.crt",
        key_file="application.key",
    )
    return SimpleNamespace(
        postgres_status=lambda: "PostgreSQL's status",
        switchover=lambda to=None: "postgres-2",
        conninfo=lambda: {"host": "127.0.0.1"},
        redis_status=lambda: "Redis's status",
        redis_switchover=lambda to=None: "redis-2",
        redis_access=lambda: access,
    )


def test_postgres_promises_that_nothing_is_lost(cluster: Any) -> None:
    drilled = service.postgres(cluster)
    assert (drilled.name, drilled.workload, drilled.wait) == ("postgres", "postgres", 0)
    assert drilled.keeps_acknowledged
    assert (drilled.status(), drilled.switchover()) == ("PostgreSQL's status", "postgres-2")
    assert [way.path for way in drilled.store.ways("r", 2)] == ["router", "router"]


@pytest.mark.parametrize(("wait", "keeps"), [(0, False), (1, True), (2, True)])
def test_redis_promises_it_only_where_replicas_are_waited_for(
    cluster: Any, wait: int, keeps: bool
) -> None:
    drilled = service.redis(cluster, wait)
    assert (drilled.name, drilled.workload, drilled.wait) == ("redis", "redis", wait)
    assert drilled.keeps_acknowledged is keeps
    assert (drilled.status(), drilled.switchover()) == ("Redis's status", "redis-2")
    assert [way.path for way in drilled.store.ways("r", 3)] == ["router", "sentinel", "router"]
