"""Redis: what is given when nothing is said, what follows from it, and what could not work."""

from typing import Any

import pytest

from settings.errors import SettingsError
from settings.load import parse
from settings.stack import StackSettings


def given(**redis: Any) -> StackSettings:
    return parse({"redis": redis}, "Pulumi.local.yaml")


def refusal(**values: Any) -> str:
    """The message, after the file's name; exactly one line."""
    with pytest.raises(SettingsError) as caught:
        parse(values, "Pulumi.local.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.removeprefix("Pulumi.local.yaml: ")


def test_three_members_watched_by_three_sentinels_are_the_default() -> None:
    redis = given().redis
    assert (redis.members, redis.sentinels, redis.effective_quorum) == (3, 3, 2)
    assert (redis.memory_mib, redis.maxmemory_mib) == (512, 256)
    assert redis.eviction_policy == "noeviction"
    assert (redis.failover.down_after_ms, redis.failover.failover_timeout_ms) == (1000, 4000)
    assert [(each.seconds, each.changes) for each in redis.snapshots] == [
        (3600, 1),
        (300, 100),
        (60, 10000),
    ]


@pytest.mark.parametrize(("sentinels", "majority"), [(3, 2), (5, 3), (7, 4)])
def test_a_quorum_that_is_not_given_is_a_majority(sentinels: int, majority: int) -> None:
    redis = given(sentinels=sentinels).redis
    assert (redis.majority, redis.effective_quorum) == (majority, majority)


@pytest.mark.parametrize("quorum", [3, 4, 5])
def test_a_quorum_may_be_anything_from_a_majority_to_all(quorum: int) -> None:
    redis = given(sentinels=5, quorum=quorum).redis
    assert (redis.majority, redis.effective_quorum) == (3, quorum)


@pytest.mark.parametrize(("promised", "told"), [(3, 1), (4, 2), (10, 8)])
def test_redis_is_told_a_shorter_lag_than_is_promised(promised: int, told: int) -> None:
    failover = given(failover={"max_lag_seconds": promised}).redis.failover
    assert failover.min_replicas_max_lag == told


def test_the_data_may_take_three_quarters_of_the_container_and_no_more() -> None:
    assert given(memory_mib=1024, maxmemory_mib=768).redis.maxmemory_mib == 768
    assert "maxmemory_mib (769)" in refusal(redis={"memory_mib": 1024, "maxmemory_mib": 769})


def test_a_failover_may_take_just_twice_what_noticing_takes() -> None:
    failover = {"down_after_ms": 5000, "failover_timeout_ms": 10000}
    assert given(failover=failover).redis.failover.failover_timeout_ms == 10000


def test_each_router_has_a_port_to_redis() -> None:
    values = {
        "redis": {"port": 7000},
        "postgres": {"routers": {"replicas": 3, "port_step": 100}},
    }
    assert parse(values, "test").redis_ports == (7000, 7100, 7200)


@pytest.mark.parametrize("sentinels", [4, 6])
def test_an_even_number_of_sentinels_is_refused_with_the_reason(sentinels: int) -> None:
    assert refusal(redis={"sentinels": sentinels}) == (
        f"redis.sentinels: must be odd (3, 5 or 7): "
        f"{sentinels} survives no more failures than {sentinels - 1}"
    )


@pytest.mark.parametrize("key", ["members", "sentinels"])
@pytest.mark.parametrize("count", [-1, 0, 1, 2])
def test_fewer_than_three_members_or_sentinels_are_refused(key: str, count: int) -> None:
    assert refusal(redis={key: count}) == (
        f"redis.{key}: must be greater than or equal to 3, got {count}"
    )


@pytest.mark.parametrize("sentinels", [3, 5])
def test_a_quorum_above_the_number_of_sentinels_is_refused(sentinels: int) -> None:
    quorum = sentinels + 1
    assert refusal(redis={"sentinels": sentinels, "quorum": quorum}) == (
        f"redis: quorum ({quorum}) is more than there are sentinels ({sentinels}): "
        "no failover could ever be agreed on"
    )


@pytest.mark.parametrize(("sentinels", "quorum", "majority"), [(3, 0, 2), (3, 1, 2), (5, 2, 3)])
def test_a_quorum_below_a_majority_is_refused_with_the_reason(
    sentinels: int, quorum: int, majority: int
) -> None:
    assert refusal(redis={"sentinels": sentinels, "quorum": quorum}) == (
        f"redis: quorum ({quorum}) is less than a majority of the {sentinels} sentinels "
        f"({majority}): a Sentinel counts only those it has met, so two halves could each elect "
        "a primary"
    )


@pytest.mark.parametrize(
    ("redis", "message"),
    [
        (
            {"memory_mib": 512, "maxmemory_mib": 600},
            "redis: maxmemory_mib (600) is more than memory_mib (512): at most 384, because "
            "snapshots and replication buffers need the rest",
        ),
        (
            {"memory_mib": 512, "maxmemory_mib": 512},
            "redis: maxmemory_mib (512) is more than three quarters of memory_mib (512): "
            "at most 384, because snapshots and replication buffers need the rest",
        ),
        (
            {"maxmemory_mib": 0},
            "redis.maxmemory_mib: must be greater than or equal to 32, got 0",
        ),
        (
            {"eviction_policy": "lru"},
            "redis.eviction_policy: must be 'noeviction', 'allkeys-lru', 'allkeys-lfu', "
            "'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-random' or "
            "'volatile-ttl', got 'lru'",
        ),
        (
            {"failover": {"down_after_ms": 6000, "failover_timeout_ms": 10000}},
            "redis.failover: failover_timeout_ms (10000) is less than 2 * down_after_ms (12000): "
            "a failover needs down_after_ms to notice a replica that is lost meanwhile, and as "
            "long again to go on without it",
        ),
        (
            {"failover": {"down_after_ms": 100}},
            "redis.failover.down_after_ms: must be greater than or equal to 500, got 100",
        ),
        (
            {"failover": {"max_lag_seconds": 2}},
            "redis.failover.max_lag_seconds: must be greater than or equal to 3, got 2",
        ),
        (
            {"snapshots": [{"seconds": 60}]},
            "redis.snapshots[0].changes: is required and was not given",
        ),
    ],
)
def test_what_could_not_work_is_refused_with_the_reason(
    redis: dict[str, Any], message: str
) -> None:
    assert refusal(redis=redis) == message


def test_data_that_is_never_written_whole_is_refused() -> None:
    assert refusal(redis={"snapshots": []}).startswith("redis.snapshots: ")


@pytest.mark.parametrize(
    ("port", "key", "first", "shared"),
    [
        (5432, "read_write_port", 5432, 5432),
        (5443, "read_only_port", 5433, 5443),
        # The second router's port to Redis is the first one's to PostgreSQL.
        (5423, "read_only_port", 5433, 5433),
    ],
)
def test_a_port_of_redis_that_postgresql_has_on_any_router_is_refused(
    port: int, key: str, first: int, shared: int
) -> None:
    assert refusal(redis={"port": port}) == (
        f"redis.port ({port}) and postgres.routers.{key} ({first}) would share port {shared}: "
        "change one of them, or postgres.routers.port_step"
    )


def test_a_port_of_postgresql_on_a_router_there_is_not_is_free_for_redis() -> None:
    values = {"redis": {"port": 5442}, "postgres": {"routers": {"replicas": 1}}}
    assert parse(values, "test").redis_ports == (5442,)


def test_the_port_to_redis_of_the_last_router_must_exist() -> None:
    assert given(port=65525).redis_ports[-1] == 65535
    assert refusal(redis={"port": 65526}) == (
        "redis.port: the last router's port would be 65536: the highest is 65535"
    )
