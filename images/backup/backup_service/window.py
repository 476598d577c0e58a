"""From when to when the database can be restored: the recoverable window."""

import datetime
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from backup_service import pgbackrest, times
from backup_service.settings import Settings
from backup_service.storage import Storage

# The canary's journal is read backwards in steps that get larger: its end is what is looked for.
STEPS = tuple(datetime.timedelta(hours=hours) for hours in (1, 6, 24, 7 * 24))
# A segment's name: timeline, log and segment, eight hexadecimal digits each.
TIMELINE_DIGITS = 8
SEGMENT_DIGITS = 24


class NoWindow(Exception):
    """Nothing can be restored; says why and what to do."""


@dataclass(frozen=True)
class Window:
    """begin: when the oldest backup was complete. end: the last moment known to be in the archive.

    archive_max: the newest segment in the archive, of the newest timeline.
    """

    begin: datetime.datetime
    end: datetime.datetime
    newest_backup_label: str
    newest_backup_stop: datetime.datetime
    archive_max: str

    def holds(self, moment: datetime.datetime) -> bool:
        """Whether the database can be restored to this moment."""
        return self.begin <= moment <= self.end

    def document(self) -> dict[str, str]:
        """Times in ISO 8601."""
        return {
            "begin": times.iso(self.begin),
            "end": times.iso(self.end),
            "newest_backup_label": self.newest_backup_label,
            "newest_backup_stop": times.iso(self.newest_backup_stop),
            "archive_max": self.archive_max,
        }


class Entry(Protocol):
    """Of the canary's journal: a commit's time and the segment its record is in."""

    @property
    def time(self) -> datetime.datetime: ...
    @property
    def segment(self) -> str: ...


def find(settings: Settings, vault: Storage) -> Window:
    """Raises NoWindow, PgBackRestError, or the vault's own error."""
    found = pgbackrest.repository(settings.stanza)
    backups = _of_newest_database(found)
    if not backups:
        raise NoWindow("there is no backup yet: take one with `selfmonitor backup now --kind full`")
    oldest, newest = backups[0], backups[-1]
    begin, newest_stop = _stop(oldest), _stop(newest)
    archive_max = _archive_max(found, newest["database"]["id"]) or newest["archive"]["stop"]
    end = _last_archived(vault, newest_stop, archive_max) or newest_stop
    return Window(begin, end, newest["label"], newest_stop, archive_max)


def _of_newest_database(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The backups, by their end, of the newest database that has any.

    A database made anew under the same name gets a new id: its log does not continue the old one's.
    """
    backups = sorted(found["backup"], key=_stop)
    newest = max((each["database"]["id"] for each in backups), default=None)
    return [each for each in backups if each["database"]["id"] == newest]


def _stop(backup: dict[str, Any]) -> datetime.datetime:
    return times.from_seconds(backup["timestamp"]["stop"])


def _archive_max(found: dict[str, Any], database: int) -> str | None:
    """The newest segment of a database in the archive; one of a newer timeline is newer."""
    return max(
        (
            each["max"]
            for each in found["archive"]
            if each["database"]["id"] == database and each["max"]
        ),
        default=None,
    )


def is_archived(segment: str, archive_max: str) -> bool:
    """Whether a segment is in the archive when `archive_max` is the newest there.

    A newer timeline continues an older one; what stands on the older behind that point was never
    acknowledged, and its place is counted on the newer one.
    """
    return (
        len(segment) == SEGMENT_DIGITS
        and segment[:TIMELINE_DIGITS] <= archive_max[:TIMELINE_DIGITS]
        and segment[TIMELINE_DIGITS:] <= archive_max[TIMELINE_DIGITS:]
    )


def _last_archived(
    vault: Storage, begin: datetime.datetime, archive_max: str
) -> datetime.datetime | None:
    """The time of the canary's last commit since `begin` that is in the archive; None: of none."""
    # By name: another part of this program, which this one needs only here.
    journal = importlib.import_module("backup_service.canary").journal
    for start, stop in _steps(begin, times.now()):
        entries: list[Entry] = journal(vault, start, stop)
        for entry in reversed(entries):
            if entry.time > begin and is_archived(entry.segment, archive_max):
                return entry.time
    return None


def _steps(
    begin: datetime.datetime, end: datetime.datetime
) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
    """Spans from `end` back to `begin`."""
    stop = end
    for number in range(10_000):
        if stop <= begin:
            return
        start = max(begin, stop - STEPS[min(number, len(STEPS) - 1)])
        yield start, stop
        stop = start
