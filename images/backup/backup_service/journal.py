"""What the canary table held and when: one entry a commit, on local disk and in the vault.

In the vault: canary/YYYY/MM/DD/HHMMSS.jsonl, named for when they were written there, each with
some entries in order; and canary/back/YYYYMMDDTHHMMSSZ.jsonl, one for each time the database was
found to have gone back in time (a restore in place): what part of the journal was undone.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backup_service import state

if TYPE_CHECKING:
    from backup_service.storage import Storage

PREFIX = "canary/"
BACK = PREFIX + "back/"

# Local lines are kept this long, whether they reached the vault or not.
KEPT = timedelta(days=2)
# A line is some 200 bytes; an object stays near one megabyte.
LINES_AN_OBJECT = 5000
# The clock that names the objects and the one that dates the commits may differ by this.
CLOCKS = timedelta(minutes=1)
# How far back the last entry before some time is looked for.
REACHES = (timedelta(minutes=10), timedelta(days=1), timedelta(days=40))


@dataclass(frozen=True)
class Entry:
    """The table after one commit. time: of the commit record; segment: holds that record."""

    time: datetime
    id: int
    sha256: str
    segment: str

    def values(self) -> dict[str, Any]:
        return {
            "time": _exact(self.time),
            "id": self.id,
            "sha256": self.sha256,
            "segment": self.segment,
        }

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Entry":
        """Raises KeyError, ValueError for nonsense."""
        return cls(_moment(values["time"]), int(values["id"]), values["sha256"], values["segment"])


@dataclass(frozen=True)
class Back:
    """The database was back at `to` when looked at, `at`: what was journalled between is undone."""

    to: datetime
    at: datetime

    def values(self) -> dict[str, Any]:
        return {"back_to": _exact(self.to), "at": _exact(self.at)}

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Back":
        return cls(_moment(values["back_to"]), _moment(values["at"]))

    def undoes(self, entry: Entry) -> bool:
        return self.to < entry.time <= self.at


def _exact(moment: datetime) -> str:
    """To the microsecond, which is what PostgreSQL compares a recovery target by."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


# On local disk.


class Local:
    """The file that is written first. One writer; another process may read it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        # What a crash left half written is no line: the next one must not continue it.
        if path.exists():
            text = path.read_bytes()
            if text and not text.endswith(b"\n"):
                os.truncate(path, text.rfind(b"\n") + 1)
        self.number = 0
        self.last: Entry | None = None
        for number, each in numbered(path):
            self.number = number
            if isinstance(each, Entry):
                self.last = each

    def add(self, each: Entry | Back) -> None:
        """On disk when it returns. Raises OSError, and then has added nothing."""
        line = json.dumps({"n": self.number + 1, **each.values()}) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            try:
                if os.write(file, line.encode()) != len(line):
                    raise OSError(28, "no space left on device", str(self._path))
                os.fsync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
        self.number += 1
        if isinstance(each, Entry):
            self.last = each

    def trim(self, now: datetime) -> int:
        """Drops what is older than KEPT; how many lines never reached the vault."""
        flushed = flushed_until(self._path)
        lost = 0
        new = self._path.with_name(self._path.name + ".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            for number, each in numbered(self._path):
                moment = each.time if isinstance(each, Entry) else each.at
                # The last stays: numbers go on from it.
                if moment >= now - KEPT or number == self.number:
                    file.write(json.dumps({"n": number, **each.values()}) + "\n")
                elif number > flushed:
                    lost += 1
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        return lost


def numbered(path: Path) -> Iterator[tuple[int, Entry | Back]]:
    """(number, what) of each good line. Raises OSError."""
    if not path.exists():
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                values = json.loads(line)
                each = Back.of(values) if "back_to" in values else Entry.of(values)
                yield int(values["n"]), each
            except (ValueError, KeyError, TypeError):
                continue


def _marker(path: Path) -> Path:
    return path.with_suffix(".flushed")


def flushed_until(path: Path) -> int:
    """The number of the last line that is in the vault."""
    return int((state.read(_marker(path)) or {}).get("number", 0))


# From local disk to the vault.


def flush(path: Path, vault: "Storage", now: datetime) -> int:
    """Writes new lines to the vault; how many. Raises what the vault raises, OSError.

    Killed half way, it writes some a second time: readers do not mind.
    """
    flushed = flushed_until(path)
    waiting = [(number, each) for number, each in numbered(path) if number > flushed]
    moment = now
    for start in range(0, len(waiting), LINES_AN_OBJECT):
        part = waiting[start : start + LINES_AN_OBJECT]
        entries = [each for _, each in part if isinstance(each, Entry)]
        for back in (each for _, each in part if isinstance(each, Back)):
            vault.put(f"{BACK}{back.at.astimezone(UTC):%Y%m%dT%H%M%SZ}.jsonl", _lines([back]))
        if entries:
            while vault.exists(_key(moment)):
                moment += timedelta(seconds=1)
            vault.put(_key(moment), _lines(entries))
        state.write(_marker(path), {"number": part[-1][0]})
    return len(waiting)


def waits(path: Path) -> bool:
    """Whether there is anything to flush."""
    flushed = flushed_until(path)
    return any(number > flushed for number, _ in numbered(path))


def _lines(several: Iterable[Entry | Back]) -> bytes:
    return "".join(json.dumps(each.values()) + "\n" for each in several).encode()


def _key(moment: datetime) -> str:
    return f"{PREFIX}{moment.astimezone(UTC):%Y/%m/%d/%H%M%S}.jsonl"


# In the vault.


def journal(vault: "Storage", begin: datetime, end: datetime) -> list[Entry]:
    """The entries with begin <= time <= end, by time, without what a restore undid.

    Raises ValueError for an object that is no journal, and what the vault raises.
    """
    found: dict[tuple[datetime, int], Entry] = {}
    for object_ in vault.list(PREFIX, after=_key(begin - CLOCKS)):
        if object_.key.startswith(BACK):
            break
        entries = _read(vault, object_.key)
        for each in entries:
            if begin <= each.time <= end:
                # The first to tell of a commit knows its segment best.
                found.setdefault((each.time, each.id), each)
        # Objects are in the order of their entries, however late they were written.
        if any(each.time > end for each in entries):
            break
    return sorted(_valid(vault, found.values()), key=lambda each: (each.time, each.id))


def expected_at(vault: "Storage", time: datetime) -> Entry | None:
    """The last entry with entry.time <= time: what the table held then."""
    for reach in REACHES:
        entries = journal(vault, time - reach, time)
        if entries:
            return entries[-1]
    return None


def _valid(vault: "Storage", entries: Iterable[Entry]) -> list[Entry]:
    backs = [
        Back.of(values) for object_ in vault.list(BACK) for values in _objects(vault, object_.key)
    ]
    return [each for each in entries if not any(back.undoes(each) for back in backs)]


def _read(vault: "Storage", key: str) -> list[Entry]:
    return [Entry.of(values) for values in _objects(vault, key)]


def _objects(vault: "Storage", key: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in vault.get(key).decode().splitlines()]
    except ValueError as error:
        raise ValueError(f"{key} in the vault is no journal: {error}") from None
