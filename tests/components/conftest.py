"""A second stack, as unlike the default one as settings allow."""

import json
from collections.abc import Callable
from typing import Any

import pytest

OTHER: dict[str, dict[str, Any]] = {
    "redis": {
        "members": 5,
        "sentinels": 5,
        "quorum": 4,
        "memory_mib": 1000,
        "maxmemory_mib": 700,
        "eviction_policy": "allkeys-lfu",
        "cpus": 2.5,
        "port": 7000,
        "failover": {"down_after_ms": 700, "failover_timeout_ms": 9000, "max_lag_seconds": 10},
        "snapshots": [{"seconds": 900, "changes": 5}, {"seconds": 10, "changes": 7}],
    },
    "postgres": {
        "members": 5,
        "routers": {"replicas": 3, "port_step": 100, "max_client_connections": 77},
    },
}


@pytest.fixture(scope="session")
def other(run_program: Callable[..., Any]) -> Any:
    """The program with those settings, run once. Read only."""
    configuration = {f"selfmonitor:{key}": json.dumps(value) for key, value in OTHER.items()}
    return run_program(configuration={**configuration, "selfmonitor:subnet": "10.99.0.0/16"})


@pytest.fixture(scope="session")
def recovered(run_program: Callable[..., Any]) -> dict[str, Any]:
    """Stacks that begin with what their first vault, or its copy, holds: {source: recording}."""
    return {
        source: run_program(
            configuration={
                "selfmonitor:recovery": json.dumps({"source": source, "to": "2026-11-23T01:02:03Z"})
            }
        )
        for source in ("vault", "copy")
    }


@pytest.fixture(scope="session")
def one_region(run_program: Callable[..., Any]) -> Any:
    """A stack without a second region."""
    return run_program(configuration={"selfmonitor:backup": '{"second_region": false}'})
