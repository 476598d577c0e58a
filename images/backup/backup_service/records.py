"""What every run came to: kept on this machine, and copied into the vault.

The local file has a line for the begin and one for the end of each run, so that one that was
killed half way is known for what it is. What the vault did not take is copied later.
"""

import contextlib
import datetime
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backup_service import times
from backup_service.errors import one_line
from backup_service.storage import Storage

OK = "ok"
FAILED = "failed"
INTERRUPTED = "interrupted"

PREFIX = "records"

# The file is written anew, with the newest of each kind, once it is larger than this: a year of
# daily runs is less. The vault has them all.
LARGEST_FILE = 2 * 1024 * 1024
KEPT_OF_EACH_KIND = 200
# How many of a kind are fetched from the vault at most: two months of daily runs.
FETCHED_OF_EACH_KIND = 60


@dataclass(frozen=True)
class Record:
    """One run.

    started, ended: aware; no end and no result while it runs.
    result: ok, failed or interrupted (asked to stop, or killed).
    bytes: what it stored, or read.
    verified: what was looked at, [{"what": str, "result": bool, "detail": str}, …].
    details: whatever else is worth keeping, by kind.
    """

    id: str
    kind: str
    started: datetime.datetime
    ended: datetime.datetime | None = None
    result: str | None = None
    bytes: int | None = None
    error: str | None = None
    verified: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Begun and not ended, as far as is known."""
        return self.result is None

    @property
    def key(self) -> str:
        """Where it is in the vault."""
        return f"{PREFIX}/{self.kind}/{times.stamp(self.started)}-{self.id}.json"

    def document(self) -> dict[str, Any]:
        """As it is kept: {"id", "kind", "started", "ended", "result", …}, times in ISO 8601."""
        return {
            **vars(self),
            "started": times.iso(self.started),
            "ended": times.iso(self.ended) if self.ended else None,
        }


def from_document(found: dict[str, Any]) -> Record:
    """Raises ValueError for anything but a record."""
    try:
        return Record(
            id=str(found["id"]),
            kind=str(found["kind"]),
            started=times.parse(found["started"]),
            ended=times.parse(found["ended"]) if found["ended"] else None,
            result=found["result"],
            bytes=found["bytes"],
            error=found["error"],
            verified=list(found["verified"]),
            details=dict(found["details"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no record: {error!r}") from None


class Running:
    """A run that has begun. Finished once."""

    def __init__(self, records: "Records", record: Record) -> None:
        self._records = records
        self.record = record

    def finish(
        self,
        result: str,
        *,
        bytes: int | None = None,  # noqa: A002 - the record's own name for it
        error: str | None = None,
        verified: Sequence[dict[str, Any]] = (),
        details: dict[str, Any] | None = None,
    ) -> Record:
        """Notes the end; raises OSError when this machine's disk does not take it."""
        self.record = replace(
            self.record,
            ended=times.now(),
            result=result,
            bytes=bytes,
            error=one_line(error) if error else None,
            verified=list(verified),
            details=dict(details or {}),
        )
        self._records.note(self.record)
        self._records.send()
        return self.record


class Records:
    """Safe to use from several processes. vault: None where the copies are made by another."""

    def __init__(self, directory: Path, vault: Storage | None = None) -> None:
        self._directory = directory
        self._path = directory / "records.jsonl"
        self._vault = vault
        self._read: tuple[tuple[int, int, int], dict[str, Record], set[str]] | None = None

    # What is there.

    def all(self, kind: str | None = None) -> list[Record]:
        """Those of this machine, oldest first."""
        found = [each for each in self._load()[0].values() if kind in (None, each.kind)]
        # Of those that began at the same moment, as they were written.
        return sorted(found, key=lambda each: each.started)

    def last(self, kind: str, result: str | None = None) -> Record | None:
        """The newest of a kind; with a result, or whatever came or will come of it."""
        found = [each for each in self.all(kind) if result in (None, each.result)]
        return found[-1] if found else None

    def unsent(self) -> list[Record]:
        """Those that have ended and are not in the vault yet."""
        records, sent = self._load()
        return [each for each in records.values() if not each.running and each.id not in sent]

    # What is added.

    def begin(self, kind: str) -> Running:
        """Notes that a run begins."""
        record = Record(id=secrets.token_hex(4), kind=kind, started=times.now())
        self.note(record)
        return Running(self, record)

    def interrupt(self, kind: str, error: str) -> list[Record]:
        """Notes of every run of a kind that has not ended that it was killed.

        For whoever holds that kind's lock, and so knows that none of them runs.
        """
        found = [each for each in self.all(kind) if each.running]
        for record in found:
            Running(self, record).finish(INTERRUPTED, error=error)
        return [each for each in self.all(kind) if each.id in {one.id for one in found}]

    def note(self, record: Record) -> None:
        """Adds a line; the last of a run counts."""
        self._append({"record": record.document()})

    def send(self) -> int:
        """Copies what has not been copied yet; how many the vault has not taken."""
        waiting = self.unsent()
        if self._vault is None:
            return len(waiting)
        for index, record in enumerate(waiting):
            try:
                self._vault.put(record.key, json.dumps(record.document()).encode())
            except Exception:  # noqa: BLE001 - whatever keeps a record out of the vault: later then
                return len(waiting) - index
            self._append({"sent": record.id})
        return 0

    # The file.

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / "records.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _append(self, document: dict[str, Any]) -> None:
        with self._alone():
            new = not self._path.exists()
            if not new and self._path.stat().st_size > LARGEST_FILE:
                self._rotate()
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(file).st_size
                line = json.dumps(document).encode() + b"\n"
                if size and os.pread(file, 1, size - 1) != b"\n":
                    # The one before was written half way.
                    line = b"\n" + line
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise
            finally:
                os.close(file)
            if new:
                self._sync_folder()

    def _load(self) -> tuple[dict[str, Record], set[str]]:
        """Every record by id, and the ids of those in the vault; read again when it has changed."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                mark = (status.st_ino, status.st_size, status.st_mtime_ns)
                if self._read is not None and self._read[0] == mark:
                    return self._read[1], self._read[2]
                records: dict[str, Record] = {}
                sent: set[str] = set()
                for line in file:
                    try:
                        found = json.loads(line)
                        if "sent" in found:
                            sent.add(found["sent"])
                        else:
                            record = from_document(found["record"])
                            records[record.id] = record
                    except (ValueError, KeyError, TypeError):
                        # Written half way, or not by this program.
                        continue
        except FileNotFoundError:
            return {}, set()
        self._read = (mark, records, sent)
        return records, sent

    def _rotate(self) -> None:
        """Keeps the newest of each kind, and whatever must not be forgotten."""
        records, sent = self._load()
        kept: set[str] = {each.id for each in records.values() if each.id not in sent}
        for kind in {each.kind for each in records.values()}:
            found = self.all(kind)
            kept |= {each.id for each in found[-KEPT_OF_EACH_KIND:]}
            kept |= {each.id for each in [one for one in found if one.result == OK][-1:]}
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            for record in self.all():
                if record.id in kept:
                    file.write(json.dumps({"record": record.document()}).encode() + b"\n")
                    if record.id in sent:
                        file.write(json.dumps({"sent": record.id}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def newest_in_vault(
    vault: Storage, kind: str, most: int = FETCHED_OF_EACH_KIND
) -> Iterator[Record]:
    """The records of a kind that the vault has, newest first; what is no record is left out.

    Raises the vault's own error.
    """
    keys = [each.key for each in vault.list(f"{PREFIX}/{kind}/")]
    for key in sorted(keys, reverse=True)[:most]:
        try:
            yield from_document(json.loads(vault.get(key)))
        except ValueError:
            continue
