"""A point in time as a person names it, and the files from which a server recovers up to it."""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backup_service import pgbackrest
from backup_service.damage import explain
from backup_service.errors import WrongInput
from backup_service.pgbackrest import PgBackRestError
from backup_service.progress import Progress
from backup_service.segments import lsn_bytes

LOG_LINES = 10

TIME, LSN, NAME, LATEST = "time", "lsn", "name", "latest"

# pgBackRest ends with 1 when a segment is not there and with more when it could not look. The
# server takes both for the end of the WAL and goes into service without the rest; 126 stops it.
_RESTORE_COMMAND = (
    'pgbackrest --stanza={stanza} --pg1-path={directory} archive-get %f "%p"; '
    "code=$?; test $code -le 1 || code=126; exit $code"
)

_AGO = re.compile(r"(\d{1,6})\s*(s|sec|m|min|h|d|w|second|minute|hour|day|week)s?\s+ago", re.I)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# What pg_create_restore_point takes, less what looks like a mistyped time.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:+-]{0,62}")
_HINT = (
    'give "10 minutes ago", a time such as 2026-11-23T14:05:00Z (UTC unless it says otherwise), '
    'an LSN such as 0/3000060, the name of a restore point, or "latest"'
)


class BadTarget(WrongInput):
    """What was given names no point in time; the text says what would."""


class RecoverFailed(Exception):
    """One line that names what is damaged, missing or in the way."""


class NotReached(RecoverFailed):
    """All WAL there is was replayed and the target was not met."""


@dataclass(frozen=True, slots=True)
class Target:
    """kind: time, lsn, name or latest. value: as pgBackRest knows it, times as ISO 8601 in UTC
    with microseconds; empty for latest.
    """

    kind: str
    value: str = ""

    @classmethod
    def at(cls, time: datetime) -> "Target":
        """The moment `time`, which must know its time zone."""
        text = time.astimezone(UTC).isoformat(timespec="microseconds")
        return cls(TIME, text.replace("+00:00", "Z"))

    @property
    def time(self) -> datetime:
        """Of a target of kind time."""
        return datetime.fromisoformat(self.value)

    @property
    def lsn(self) -> int:
        """Of a target of kind lsn, as a number of bytes."""
        return lsn_bytes(self.value)

    def __str__(self) -> str:
        return self.value or self.kind


@dataclass(frozen=True, slots=True)
class Restored:
    """label: of the backup, as far as pgBackRest was told or said. bytes: on disk afterwards.
    log: the last lines of what it said.
    """

    label: str | None
    bytes: int
    log: tuple[str, ...] = ()


def parse(text: str, now: datetime) -> Target:
    """What a person wrote. Raises BadTarget.

    A prefix time:, lsn: or name: forces the kind. The commands understand the same by code of their
    own (cli/point.py); tests/test_points.py holds both to one table.
    """
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if colon and kind in (TIME, LSN, NAME):
        return _parse_as(kind, rest.strip(), now)
    if text.lower() == LATEST:
        return Target(LATEST)
    if _LSN.fullmatch(text):
        return _parse_as(LSN, text, now)
    if text[:1].isdigit():
        return _parse_as(TIME, text, now)
    return _parse_as(NAME, text, now)


def _parse_as(kind: str, text: str, now: datetime) -> Target:
    if kind == LSN and _LSN.fullmatch(text):
        return Target(LSN, text.upper())
    if kind == NAME and _NAME.fullmatch(text):
        return Target(NAME, text)
    if kind == TIME:
        time = _time(text, now)
        if time > now:
            raise BadTarget(f"{text} is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} now")
        return Target.at(time)
    raise BadTarget(f"{text!r} names no point in time: {_HINT}")


def _time(text: str, now: datetime) -> datetime:
    try:
        if found := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(found[1]) * _SECONDS[found[2][0].lower()])
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadTarget(f"{text!r} names no point in time: {_HINT}") from None


def backups_for(target: Target, backups: Iterable[Mapping[str, Any]]) -> list[str]:
    """Labels of backups from which the target can be reached, the best first.

    backups: as `pgbackrest info` lists them. A backup's stop is known to the second only, so one
    that stopped in the target's own second is not taken. Where a restore point lies nobody knows
    before it is replayed: for a name, all, the newest first.
    """
    usable = [each for each in backups if not each.get("error")]
    if target.kind == TIME:
        latest = target.time.timestamp() - 1
        usable = [each for each in usable if each["timestamp"]["stop"] <= latest]
    elif target.kind == LSN:
        usable = [each for each in usable if lsn_bytes(each["lsn"]["stop"]) <= target.lsn]
    ordered = sorted(usable, key=lambda each: float(each["timestamp"]["stop"]), reverse=True)
    return [str(each["label"]) for each in ordered]


def restore_files(
    target: Target,
    directory: Path,
    progress: Progress,
    *,
    stanza: str = "main",
    set_label: str | None = None,
    timeline: int | None = None,
    action: str = "promote",
    total: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Restored:
    """Fills `directory`, which must be empty or not exist, so that a server started on it recovers.

    action: what the server does at the target, pause or promote. timeline: the one to follow;
    none, the newest. set_label: none, pgBackRest takes the newest that fits a time or an LSN, and
    the newest of all for a name. total: bytes to come, where known.
    Raises RecoverFailed.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise RecoverFailed(f"{directory} is not empty: nothing is restored over what is there")
    command = _RESTORE_COMMAND.format(stanza=stanza, directory=directory)
    options = [
        f"--pg1-path={directory}",
        f"--type={'default' if target.kind == LATEST else target.kind}",
        f"--target-timeline={timeline or 'latest'}",
        f"--recovery-option=restore_command={command}",
        # Tablespaces lie where they lay on the member; here they may not.
        f"--tablespace-map-all={directory}.tablespaces",
    ]
    if target.kind != LATEST:
        options += [f"--target={_for_pgbackrest(target)}", f"--target-action={action}"]
    if set_label:
        options.append(f"--set={set_label}")
    try:
        said = pgbackrest.run(
            "restore",
            *options,
            progress=progress,
            total=total,
            environment=environment,
            stanza=stanza,
        )
    except PgBackRestError as error:
        raise RecoverFailed(explain(str(error), str(directory))) from None
    found = re.search(r"restore backup set (\S+?)[,\s]", said)
    log = tuple(said.splitlines()[-LOG_LINES:])
    return Restored(found[1] if found else set_label, size(directory), log)


def size(directory: Path) -> int:
    """Bytes of the files below; those that go away meanwhile are left out."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _for_pgbackrest(target: Target) -> str:
    if target.kind == TIME:
        return target.time.strftime("%Y-%m-%d %H:%M:%S.%f+00")
    return target.value
