"""Why a stack is not healthy, in one line each."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cli.figures import seconds_since, span

if TYPE_CHECKING:
    from cli.cluster import PostgresStatus
    from cli.redis import RedisStatus

ARCHIVER_FAILS = ("failing", "stuck")


def reasons(
    postgres: "PostgresStatus",
    redis: "RedisStatus",
    others: Sequence[dict[str, str]],
    backup: dict[str, Any],
    copy_limit_seconds: float,
) -> list[str]:
    """None of them: it is healthy.

    others: {name, state} of those that do not speak for themselves. backup: as `status` has it.
    copy_limit_seconds: how far behind the second copy may be.
    """
    return [
        *_databases(postgres, redis),
        *(f"{each['name']} is {each['state']}" for each in others if each["state"] != "healthy"),
        *_backup(backup, copy_limit_seconds),
    ]


def _databases(postgres: "PostgresStatus", redis: "RedisStatus") -> Iterator[str]:
    if postgres.leader is None:
        yield "PostgreSQL has no primary"
    elif not postgres.healthy:
        yield "PostgreSQL: not every standby streams from the primary and is in its quorum"
    if redis.leader is None:
        yield "Redis has no primary"
    elif not redis.healthy:
        yield "Redis: not every replica is in step, or not every Sentinel counts and agrees"


def _backup(backup: dict[str, Any], copy_limit_seconds: float) -> Iterator[str]:
    archiver, tested, copy = (backup[part] or {} for part in ("archiver", "tested", "copy"))
    if archiver.get("state") in ARCHIVER_FAILS:
        yield f"the archive is {archiver['state']}{_because(archiver.get('message'))}"
    if tested.get("result") == "failed":
        ago = span(seconds_since(tested.get("ended")))
        yield f"the last restore test failed {ago} ago{_because(tested.get('error'))}"
    behind = _behind(copy)
    if behind > copy_limit_seconds:
        yield f"the second copy is {span(behind)} behind{_because(copy.get('message'))}"


def _behind(copy: dict[str, Any]) -> float:
    """Seconds. What is not known since the note was written counts as missing."""
    return float(copy.get("lag_seconds") or 0) + max(0.0, seconds_since(copy.get("time")) or 0)


def _because(text: str | None) -> str:
    return f": {text}" if text else ""
