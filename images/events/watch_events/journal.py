"""The events that are kept: on disk, one JSON line each, and handed on to whoever follows."""

import bisect
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from watch_events.event import Event, from_line, log, now

# What is kept: years, at the rate primaries change. Once it is full a tenth goes at once, so that
# the file is not written anew with every event.
MOST_EVENTS = 10_000
FEWEST_AFTER_ROTATION = 9_000
# A line is some 250 bytes. What is longer was not written by this program.
LONGEST_LINE = 16 * 1024

MOST_FOLLOWERS = 32
# What a follower may lag behind before it is dropped.
FOLLOWER_EVENTS = 200


class TooManyFollowers(Exception):
    """There are MOST_FOLLOWERS already."""


class Follower:
    """Gets every event from the moment it was made. None in its queue: there will be no more."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event | None] = queue.Queue(FOLLOWER_EVENTS)
        self._dropped = threading.Event()

    def offer(self, event: Event | None) -> bool:
        """Never waits; False once it does not keep up."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._dropped.set()
        return not self._dropped.is_set()

    def next(self, seconds: float) -> Event:
        """The next event. Raises TimeoutError when none came, EOFError when none will come."""
        if self._dropped.is_set():
            raise EOFError("too slow")
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if event is None:
            raise EOFError("the end")
        return event


class Journal:
    """Safe to use from several threads. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, clock: Callable[[], str] = now) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        # The last are those the disk has not taken yet.
        self._unwritten = 0
        self._events = self._recover()
        self._file = self._open()
        self._size = os.fstat(self._file).st_size
        if len(self._events) > MOST_EVENTS:
            self._rotate()

    # What is there.

    def after(self, identifier: int) -> list[Event]:
        """Those with a greater id, oldest first."""
        with self._lock:
            return self._after(identifier)

    def last(self, service: str) -> Event | None:
        """The latest event of a service that named a primary."""
        with self._lock:
            for event in reversed(self._events):
                if event.service == service and event.new is not None:
                    return event
        return None

    def _after(self, identifier: int) -> list[Event]:
        return self._events[bisect.bisect_right(self._events, identifier, key=_id) :]

    # What is added.

    def add(
        self,
        service: str,
        kind: str,
        old: str | None,
        new: str | None,
        reason: str,
        *,
        generation: int | None = None,
        seen_late: bool = False,
        time: str | None = None,
    ) -> Event:
        """Records what happened just now, or at `time`.

        A disk that is full loses no event while this program runs: `writable` tries again.
        """
        with self._lock:
            event = Event(
                id=self._events[-1].id + 1 if self._events else 1,
                time=time or self._clock(),
                service=service,
                kind=kind,
                old=old,
                new=new,
                reason=reason,
                generation=generation,
                seen_late=seen_late,
            )
            self._events.append(event)
            self._unwritten += 1
            self._write()
            self._followers = [each for each in self._followers if each.offer(event)]
        log(f"{service}: {kind}: {old} → {new}: {reason}")
        return event

    def writable(self) -> bool:
        """Whether everything is on disk; tries to bring it there."""
        with self._lock:
            if self._unwritten:
                self._write()
            return not self._unwritten and os.access(self._path, os.W_OK)

    def _write(self) -> None:
        lines = b"".join(event.line() for event in self._events[-self._unwritten :])
        try:
            if len(self._events) > MOST_EVENTS:
                self._rotate()
            else:
                self._append(lines)
        except OSError as error:
            log(f"{self._path} cannot be written: {error}")
            with contextlib.suppress(OSError):
                # A line written half way must not stand before the next one.
                os.ftruncate(self._file, self._size)
        else:
            self._unwritten = 0

    def _append(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)
        self._size += len(lines)

    # Who is told.

    def follow(self, identifier: int) -> tuple[Follower, list[Event]]:
        """A follower, and the events after `identifier` up to where it takes over.

        Raises TooManyFollowers. Whoever follows must call `unfollow`.
        """
        with self._lock:
            if len(self._followers) >= MOST_FOLLOWERS:
                raise TooManyFollowers
            follower = Follower()
            self._followers.append(follower)
            return follower, self._after(identifier)

    def unfollow(self, follower: Follower) -> None:
        with self._lock:
            self._followers = [each for each in self._followers if each is not follower]

    def followers(self) -> int:
        """How many follow."""
        with self._lock:
            return len(self._followers)

    def end(self) -> None:
        """Tells the followers that there will be no more."""
        with self._lock:
            for follower in self._followers:
                follower.offer(None)

    # The file.

    def _open(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # The file's name, too, must outlive a power cut.
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file

    def _recover(self) -> list[Event]:
        """The events on disk; what follows the last whole line is cut off."""
        events: list[Event] = []
        whole = 0
        position = 0
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return events
        with file:
            while line := file.readline(LONGEST_LINE):
                position += len(line)
                try:
                    if not line.endswith(b"\n"):
                        raise ValueError("not a whole line")
                    event = from_line(line)
                    if events and event.id <= events[-1].id:
                        raise ValueError("out of order")
                except ValueError as error:
                    log(f"{self._path}: a line is left out: {error}")
                    continue
                events.append(event)
                whole = position
                # Bounded even where the file is not ours.
                if len(events) > 2 * MOST_EVENTS:
                    del events[:MOST_EVENTS]
        if position > whole:
            os.truncate(self._path, whole)
        return events

    def _rotate(self) -> None:
        """Writes the newest to a new file and puts it in the old one's place."""
        kept = self._events[-FEWEST_AFTER_ROTATION:]
        lines = b"".join(event.line() for event in kept)
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        old, self._file = self._file, self._open()
        self._size = len(lines)
        self._events = kept
        os.close(old)


def _id(event: Event) -> int:
    return event.id
