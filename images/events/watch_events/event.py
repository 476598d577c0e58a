"""One thing that happened to a service's primary."""

import datetime
import json
import sys
from dataclasses import asdict, dataclass, fields

POSTGRES = "postgres"
REDIS = "redis"
SERVICES = (POSTGRES, REDIS)

BEGAN = "began"
FAILOVER = "failover"
SWITCHOVER = "switchover"
ABORTED = "failover-aborted"


@dataclass(frozen=True, slots=True)
class Event:
    """As it stands in the journal and goes to whoever listens.

    time: when it was first seen, or true when known afterwards; UTC, ISO 8601 with milliseconds.
    kind: began, failover, switchover or failover-aborted.
    old, new: members' names; no old when the watch began, no new when nothing changed.
    generation: the new primary's timeline (PostgreSQL) or configuration epoch (Redis).
    seen_late: nobody watched when it happened.
    """

    id: int
    time: str
    service: str
    kind: str
    old: str | None
    new: str | None
    reason: str
    generation: int | None
    seen_late: bool

    def line(self) -> bytes:
        """As one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode() + b"\n"


def from_line(line: bytes) -> Event:
    """Raises ValueError for anything but an event's line."""
    try:
        found = json.loads(line)
        event = Event(**{field.name: found[field.name] for field in fields(Event)})
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"no event: {error}") from None
    if type(event.id) is not int or event.service not in SERVICES:
        raise ValueError("no event")
    return event


def utc(moment: datetime.datetime) -> str:
    """2026-11-22T22:10:03.123Z"""
    moment = moment.astimezone(datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """The present moment as an event has it."""
    return utc(datetime.datetime.now(datetime.UTC))


def log(message: str) -> None:
    """One line to standard error, which is the container's log."""
    sys.stderr.write(f"watch-events: {message}\n")
    sys.stderr.flush()
