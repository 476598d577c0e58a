"""Moments: always aware, always UTC, and how they are written."""

import datetime

# In the names of folders and records; sorts as it counts.
STAMP = "%Y%m%dT%H%M%SZ"


def now() -> datetime.datetime:
    """The present moment."""
    return datetime.datetime.now(datetime.UTC)


def iso(moment: datetime.datetime) -> str:
    """2026-11-22T22:10:03.123Z"""
    moment = moment.astimezone(datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime.datetime:
    """From ISO 8601; UTC where no offset is given. Raises ValueError."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def stamp(moment: datetime.datetime) -> str:
    """20261122T221003Z"""
    return moment.astimezone(datetime.UTC).strftime(STAMP)


def from_stamp(text: str) -> datetime.datetime:
    """Raises ValueError for anything else."""
    return datetime.datetime.strptime(text, STAMP).replace(tzinfo=datetime.UTC)


def from_seconds(seconds: float) -> datetime.datetime:
    """From seconds since 1970, as pgBackRest has them."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
