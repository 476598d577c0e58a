"""A point in time as a person names it.

The backup service understands the same words by code of its own (backup_service.recover), since no
image has this package and no command has that one; tests/test_points.py holds both to one table.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cli.errors import UserError
from cli.figures import shown

TIME, LSN, NAME, LATEST = "time", "lsn", "name", "latest"

_AGO = re.compile(r"(\d{1,6})\s*(s|sec|m|min|h|d|w|second|minute|hour|day|week)s?\s+ago", re.I)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# What pg_create_restore_point takes, less what looks like a mistyped time.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:+-]{0,62}")
_HINT = (
    'give "10 minutes ago", a time such as 2026-11-23T14:05:00Z (UTC unless it says otherwise), '
    'an LSN such as 0/3000060, the name of a restore point, or "latest"'
)


@dataclass(frozen=True)
class Point:
    """kind: time, lsn, name or latest. value: as the members and the backup service know it, times
    in ISO 8601 in UTC with microseconds; empty for latest.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        if self.kind == TIME:
            return f"{shown(self.value)} UTC"
        return {LSN: f"LSN {self.value}", NAME: f"restore point {self.value}"}.get(
            self.kind, "the end of the archived WAL"
        )


def parse(text: str, now: datetime | None = None) -> Point:
    """What a person wrote, where there is no backup service yet that could be asked.

    A prefix time:, lsn: or name: forces the kind. Raises UserError for what names no point, and
    for a time to come.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if colon and kind in (TIME, LSN, NAME):
        return _parse_as(kind, rest.strip(), now)
    if text.lower() == LATEST:
        return Point(LATEST, "")
    if _LSN.fullmatch(text):
        return _parse_as(LSN, text, now)
    return _parse_as(TIME if text[:1].isdigit() else NAME, text, now)


def fixed(text: str, now: datetime | None = None) -> str:
    """“10 minutes ago” as the time it is now, so that it stays the same however long all takes.

    Anything else is left as it is; what it means is the backup service's to say. Raises UserError
    for nothing.
    """
    text = text.strip()
    if not text:
        raise UserError(
            'say to which point, e.g. --to "10 minutes ago" or --to 2026-11-23T14:05:00Z: '
            "./selfmonitor backup info shows from when to when it can lie"
        )
    kind, colon, rest = text.partition(":")
    ago = rest.strip() if colon and kind == TIME else text
    if not _AGO.fullmatch(ago):
        return text
    return _written(_time(ago, (now or datetime.now(UTC)).astimezone(UTC)))


def _parse_as(kind: str, text: str, now: datetime) -> Point:
    if kind == LSN and _LSN.fullmatch(text):
        return Point(LSN, text.upper())
    if kind == NAME and _NAME.fullmatch(text):
        return Point(NAME, text)
    if kind == TIME:
        time = _time(text, now)
        if time > now:
            raise UserError(f"{text} is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} now")
        return Point(TIME, _written(time))
    raise UserError(f"{text!r} names no point in time: {_HINT}")


def _time(text: str, now: datetime) -> datetime:
    try:
        if found := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(found[1]) * _SECONDS[found[2][0].lower()])
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(f"{text!r} names no point in time: {_HINT}") from None


def _written(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
