"""Keeps the copy in the second region up to date, and says how far behind it is.

    hot     every 5 s, also amidst the others: the newest of the WAL archive, of the records and
            of the canary's journal
    warm    every minute: all backups, dumps and snapshots
    full    every 10 minutes: everything

The copy loses nothing because the source did: what is deleted there is deleted here only once that
has been so for the whole retention time. What is overwritten stays in the copy as a version.

Where the vault replicates by itself, as S3 on AWS does, nothing is copied here: it is looked at all
the same, so that the lag is known by what is really in the copy, and deletions are followed, since
S3 is told not to.
"""

import collections
import contextlib
import itertools
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from backup_service import settings as places
from backup_service import state, times
from backup_service.errors import WrongInput
from backup_service.s3 import Changed, NoSuchObject, Object, Vault, VaultError
from backup_service.settings import Settings, credentials
from backup_service.transfer import Replicated, Transfer, rank

HOT_SECONDS = 5.0
WARM_SECONDS = 60.0
FULL_SECONDS = 600.0
# What is deleted is followed after weeks: looking for it has time.
DELETIONS_SECONDS = 3600.0
# After an error: HOT_SECONDS, then longer, never more than this.
LONGEST_WAIT_SECONDS = 15.0
# copy.json is written at least so often, also while nobody answers or something large is copied.
STATE_SECONDS = 5.0
# Without a hot look for so long nothing is known of what was written since.
BLIND_SECONDS = 15.0
# A hot look begins so many objects before where all was there last time: several archive at once,
# and a lower name may come after a higher one.
OVERLAP = 16
# In memory at once. What is beyond comes next.
MOST_LISTED = 10_000

OK = "ok"
COPYING = "copying"
SOURCE_AWAY = "source-away"
COPY_AWAY = "copy-away"

T = TypeVar("T")


def log(message: str) -> None:
    """One line to standard error, which is the container's log."""
    sys.stderr.write(f"replicate: {message}\n")
    sys.stderr.flush()


class Stopped(BaseException):
    """This process was asked to stop."""


class State:
    """copy.json: how far behind the copy is. Safe to use from several threads.

    lag_seconds: the age of the oldest object that the source has and the copy has not, 0 when there
    is none. When the last look at what is new was BLIND_SECONDS ago, it is at least the time since
    then, or since this process began; null before there was one.
    objects_behind, bytes_behind: of what was found missing and is not copied yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # "hot", "backups", "rest" → what is missing: the oldest's time, objects, bytes.
        self._behind: dict[str, tuple[datetime, int, int]] = {}
        self._away: str | None = None
        self._message = ""
        self._last_copied: str | None = None
        self._looked: datetime | None = None
        self._begun = times.now()

    def behind(self, group: str, missing: list[Object]) -> None:
        """What a look found missing."""
        with self._lock:
            self._behind.pop(group, None)
            if missing:
                oldest = min(each.modified for each in missing)
                self._behind[group] = (oldest, len(missing), sum(each.size for each in missing))
        if missing:
            self.write()

    def copied(self, group: str, size: int) -> None:
        """One of those."""
        with self._lock:
            oldest, objects, left = self._behind[group]
            self._behind[group] = (oldest, objects - 1, left - size)
            self._last_copied = times.iso(times.now())

    def looked(self, begun: datetime) -> None:
        """Both answered, and all that is hot and was there by `begun` is in the copy, or behind."""
        if self._away:
            log("both answer again")
        with self._lock:
            self._away, self._message, self._looked = None, "", begun
        self.write()

    def away(self, which: str, message: str) -> None:
        """One of them does not do what it is asked."""
        if message != self._message:
            log(message)
        with self._lock:
            self._away, self._message = which, message
        self.write()

    def write(self) -> None:
        """Replaces the file."""
        try:
            state.write(self._path, self.document(times.now()), lasting=False)
        except OSError as error:
            # A full disk must not end the copying.
            log(f"{self._path} cannot be written: {error.strerror}")

    def document(self, now: datetime) -> dict[str, Any]:
        """As the file has it."""
        with self._lock:
            since = [oldest for oldest, _, _ in self._behind.values()]
            # Who cannot be asked from the beginning is behind all the same.
            seen = self._looked or self._begun
            if (now - seen).total_seconds() >= BLIND_SECONDS:
                since.append(seen)
            lag: float | None = 0.0
            if since:
                lag = max(0.0, round((now - min(since)).total_seconds(), 3))
            elif self._looked is None:
                lag = None
            return {
                "time": times.iso(now),
                "lag_seconds": lag,
                "objects_behind": sum(objects for _, objects, _ in self._behind.values()),
                "bytes_behind": sum(size for _, _, size in self._behind.values()),
                "last_copied_at": self._last_copied,
                "state": self._away or (COPYING if self._behind else OK),
                "message": self._message,
            }


class Deletions:
    """What the source says is deleted, and since when: kept here, since its markers go one day."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path)) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS deleted (key TEXT PRIMARY KEY, at REAL NOT NULL)"
            )
            yield database

    def note(self, source: Iterable[Any]) -> None:
        """What the source's versions say; all of them, or nothing when that is cut off."""
        with self._open() as database:
            for version in source:
                if version.latest and version.marker:
                    database.execute(
                        "INSERT OR REPLACE INTO deleted VALUES (?, ?)",
                        (version.key, version.modified.timestamp()),
                    )
                elif version.latest:
                    database.execute("DELETE FROM deleted WHERE key = ?", (version.key,))

    def follow(self, copy: Vault, before: datetime) -> int:
        """Deletes in the copy what has been deleted since before then; returns how many."""
        with self._open() as database:
            due = database.execute(
                "SELECT key FROM deleted WHERE at < ? ORDER BY at", (before.timestamp(),)
            ).fetchall()
        for (key,) in due:
            if copy.exists(key):
                copy.delete(key)
            with self._open() as database:
                database.execute("DELETE FROM deleted WHERE key = ?", (key,))
        return len(due)


class Replication:
    """From the vault to the copy, one look after the other."""

    def __init__(
        self,
        settings: Settings,
        source: Vault,
        copy: Vault,
        data: Path,
        stopping: threading.Event | None = None,
    ) -> None:
        self._stanza = settings.stanza
        self._retention = timedelta(days=settings.retention_days)
        self._source = source
        self._copy = copy
        self._copies = settings.copies
        self._transfer = (Transfer if settings.copies else Replicated)(source, copy)
        self._state = State(data / "copy.json")
        self._deletions = Deletions(data / "copy.sqlite")
        self._stopping = stopping or threading.Event()
        # Where the next hot look begins: prefix → key.
        self._settled: dict[str, str] = {}
        self._looked = float("-inf")
        # Period → when it is due.
        self._due = dict.fromkeys((WARM_SECONDS, FULL_SECONDS, DELETIONS_SECONDS), float("-inf"))

    def run(self) -> None:
        """Until it is to stop."""
        failures = 0
        threading.Thread(target=self._tell, daemon=True).start()
        with contextlib.suppress(Stopped):
            while not self._stopping.is_set():
                failures = 0 if self.look() else failures + 1
                self._stopping.wait(min(LONGEST_WAIT_SECONDS, HOT_SECONDS * (1 + failures)))

    def _tell(self) -> None:
        while not self._stopping.is_set():
            self._state.write()
            self._stopping.wait(STATE_SECONDS)

    def look(self) -> bool:
        """Does what is due; whether that could be done. Raises Stopped."""
        try:
            self._hot()
            for period, do in (
                (WARM_SECONDS, self._warm),
                (FULL_SECONDS, self._full),
                (DELETIONS_SECONDS, self._deleted),
            ):
                if time.monotonic() >= self._due[period]:
                    do()
                    self._due[period] = time.monotonic() + period
        except VaultError as error:
            which = COPY_AWAY if error.host == self._copy.host else SOURCE_AWAY
            self._state.away(which, str(error))
            return False
        self._state.write()
        return True

    # What is looked at.

    def _hot(self) -> None:
        begun = times.now()
        archive = f"pgbackrest/archive/{self._stanza}/"
        prefixes = [*self._source.folders(archive), *self._source.folders("records/"), "canary/"]
        missing = itertools.chain.from_iterable(map(self._newest, prefixes))
        left: list[Object] = []
        while found := list(itertools.islice(missing, MOST_LISTED)):
            left += self._copy_all("hot", found)
        self._looked = time.monotonic()
        self._state.behind("hot", left)
        self._state.looked(begun)

    def _newest(self, prefix: str) -> Iterator[Object]:
        """What is missing from a little before where all was there last time; the first time, all
        that is.
        """
        there: collections.deque[str] = collections.deque(maxlen=OVERLAP + 1)
        gap = False
        for found, same in self._transfer.compare(prefix, self._settled.get(prefix)):
            if not same:
                gap = True
                yield found
            elif not gap:
                there.append(found.key)
        if len(there) > OVERLAP:
            self._settled[prefix] = there[0]

    def _warm(self) -> None:
        """Backups, and then what says that they are there.

        What refers to data may be listed after that data and before the next: so it is copied as it
        was listed, and not before the data was listed once more, and copied.
        """
        left, last = self._copy_backups([])
        if last and not left:
            left, _ = self._copy_backups(last)
            if not left:
                left = self._copy_all("backups", sorted(last, key=lambda each: rank(each.key)))
        self._state.behind("backups", left)

    def _copy_backups(self, waiting: Sequence[Object]) -> tuple[list[Object], list[Object]]:
        """What could not be copied, and what refers to it and was not."""
        prefixes = (
            f"pgbackrest/archive/{self._stanza}/archive.info",
            f"pgbackrest/backup/{self._stanza}/",
            *("logical/", "redis/"),
        )
        missing = self._between(
            itertools.chain.from_iterable(map(self._transfer.missing, prefixes))
        )
        left: list[Object] = []
        last: list[Object] = []
        while found := list(itertools.islice(missing, MOST_LISTED)):
            last += [each for each in found if rank(each.key)]
            data = [each for each in found if not rank(each.key)]
            left += self._copy_all("backups", data, waiting or last)
        return left, last

    def _full(self) -> None:
        missing = self._between(self._transfer.missing(""))
        data = (each for each in missing if not rank(each.key))
        left: list[Object] = []
        while found := list(itertools.islice(data, MOST_LISTED)):
            left += self._copy_all("rest", found)
        self._state.behind("rest", left)

    def _deleted(self) -> None:
        try:
            self._deletions.note(self._between(self._source.versions("")))
            count = self._deletions.follow(self._copy, times.now() - self._retention)
        except sqlite3.Error as error:
            # Nothing is lost: the copy keeps more than it must.
            log(f"deletions are not followed: {self._deletions.path}: {error}")
        else:
            if count:
                log(f"{count} objects are deleted in the copy, as they are in the vault")

    # How it gets there.

    def _copy_all(
        self, group: str, found: list[Object], waiting: Sequence[Object] = ()
    ) -> list[Object]:
        """Copies them, in this order; returns those that have changed.

        All of them where the vault copies by itself: it has not, so far.
        """
        if not self._copies:
            self._alive()
            return list(found)
        self._state.behind(group, [*found, *waiting])
        left = []
        for each in found:
            if group != "hot":
                self._breathe()
            try:
                self._transfer.copy(each, lambda _: self._alive())
            except NoSuchObject:
                # Deleted since it was listed.
                pass
            except Changed:
                left.append(each)
                continue
            self._state.copied(group, each.size)
            self._alive()
        return left

    def _between(self, listed: Iterator[T]) -> Iterator[T]:
        for each in listed:
            self._breathe()
            yield each

    def _breathe(self) -> None:
        """What is hot does not wait for something long."""
        self._alive()
        if time.monotonic() - self._looked >= HOT_SECONDS:
            self._hot()

    def _alive(self) -> None:
        if self._stopping.is_set():
            raise Stopped


def main(settings: Settings) -> int:
    """`backup-service replicate`: until SIGTERM."""
    if settings.copy is None:
        raise WrongInput("there is no copy to keep up to date: backup.json has none")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    source = Vault(settings.vault, credentials("vault"))
    copy = Vault(settings.copy, credentials("copy"))
    Replication(settings, source, copy, places.DATA, stopping).run()
    return 0
