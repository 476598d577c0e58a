"""Stacks that many tests read: one as unlike the default as settings allow, one of one region.

To run the program takes long beside a look at what it registered. So a test of a setting gives
it here another value than its default, and a run of its own only to what must stand alone.
"""

import copy
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
        "consensus_members": 5,
        "failover": {"ttl_seconds": 41, "loop_wait_seconds": 5, "retry_timeout_seconds": 7},
        "parameters": {
            "work_mem": "8MB",
            "log_min_duration_statement": 250,
            "random_page_cost": 1.1,
            "jit": False,
            "application_name": 'it\'s "quoted": #1 {{ x }}',
        },
        "databases": [
            {"name": "shop", "owner": "seller", "extensions": ["pg_trgm"]},
            {"name": "stock", "owner": "seller"},
            {"name": "ledger", "owner": "clerk"},
        ],
        "routers": {
            "replicas": 3,
            "port_step": 100,
            "pool_size": 7,
            "max_client_connections": 77,
        },
    },
    "backup": {
        "retention_days": 12,
        "recovery_point_seconds": 45,
        "canary_seconds": 7,
        "schedules": {"restore_test": "5 5 * * *", "full": "0 0 * * 3"},
        "invariants": [{"name": "sums", "database": "shop", "sql": "SELECT count(*) > 0"}],
        "vault": {"memory_mib": 333, "region": "eu-1", "copy_region": "eu-2"},
        "side_port": 7777,
        "memory_mib": 900,
    },
    "certificates": {
        "validity_days": 90,
        "renew_before_days": 10,
        "authority_validity_days": 400,
    },
}


@pytest.fixture
def other_settings() -> dict[str, dict[str, Any]]:
    """Those of `other`; a copy of one's own."""
    return copy.deepcopy(OTHER)


@pytest.fixture(scope="session")
def other(run_program: Callable[..., Any]) -> Any:
    """The program with those settings, as stack shop, run once. Read only."""
    configuration = {f"selfmonitor:{key}": json.dumps(value) for key, value in OTHER.items()}
    return run_program(
        stack="shop", configuration={**configuration, "selfmonitor:subnet": "10.99.0.0/16"}
    )


@pytest.fixture(scope="session")
def one_region(local: Any, run_program: Callable[..., Any]) -> Any:
    """The default stack without a second region, with the same generated values. Read only."""
    return run_program(
        configuration={"selfmonitor:backup": '{"second_region": false}'},
        values=lambda token, name, inputs: local.values[name],
    )
