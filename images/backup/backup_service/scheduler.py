"""Starts each job when it is due, and again when it failed; says in state.json how things stand.

Where the platform has a scheduler of its own, that one starts what is scheduled, and this one the
first full backup alone: until there is one nothing can be restored.

Each job runs as a process of its own (`backup-service run KIND`), so that this one stays small and
a job that hangs or dies takes nothing with it.
"""

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from croniter import croniter

from backup_service import jobs, state, times, wanted
from backup_service.errors import WrongInput
from backup_service.progress import kept_for
from backup_service.records import OK, Record, Records
from backup_service.settings import Settings

TICK_SECONDS = 10.0
# A run that failed is repeated after this long, and this often; then at its next regular time.
RETRY_SECONDS = 600.0
RETRIES = 3
# Until there is a first full backup nothing can be restored, and after a recovery none may lead to
# what is there now: it is not left for a week.
NEEDED_BACKUP_RETRY_SECONDS = 6 * 3600.0
# A job that takes longer hangs. The longest step within one is bounded by less.
LONGEST_JOB_SECONDS = 24 * 3600.0
# After it was asked to stop: longer than pgBackRest gets, less than the platform gives all of it.
STOP_SECONDS = 25.0
# Between attempts to prepare the repository: while the members or the vault start.
STANZA_FIRST_SECONDS = 5.0
STANZA_LONGEST_SECONDS = 60.0
STANZA_SECONDS = 600.0
# Records the vault has not taken are offered again this often.
SEND_SECONDS = 600.0

# These have a container of their own, on a network of its own: only there, with --only.
APART = ("restore-test",)
PROGRAM = ("/usr/local/bin/backup-service",)
STANZA = "stanza-create"
SEND = "records"


def log(message: str) -> None:
    """One line to standard error, which is the container's log."""
    sys.stderr.write(f"scheduler: {message}\n")
    sys.stderr.flush()


def kinds_to_run(schedules: dict[str, str], only: str | None) -> dict[str, str]:
    """The schedule, by kind, of those this container runs. Raises WrongInput."""
    if only is not None and only not in schedules:
        raise WrongInput(f"nothing is scheduled for {only!r}: {', '.join(sorted(schedules))}")
    for kind, schedule in schedules.items():
        if kind not in jobs.REGISTRY:
            known = ", ".join(jobs.REGISTRY)
            raise WrongInput(f"backup.json schedules {kind!r}: there is only {known}")
        if not croniter.is_valid(schedule):
            raise WrongInput(f"backup.json: the schedule of {kind} is no cron line: {schedule!r}")
    chosen = [only] if only else [each for each in jobs.REGISTRY if each not in APART]
    return {kind: schedules[kind] for kind in chosen if kind in schedules}


@dataclass(frozen=True)
class Due:
    """When a kind is next due, at what is known now; in the past: now."""

    at: datetime.datetime
    why: str


def when_due(
    kind: str,
    schedule: str,
    records: Records,
    first_seen: datetime.datetime,
    now: datetime.datetime,
    full_since: datetime.datetime | None = None,
) -> Due:
    """When a kind of which none runs is to run next.

    first_seen: since when it is scheduled; no run before that was missed. full_since: a full backup
    is wanted that was begun then or later, see wanted.py.
    """
    tick: datetime.datetime = croniter(schedule, now).get_prev(datetime.datetime)
    following: datetime.datetime = croniter(schedule, now).get_next(datetime.datetime)
    last = records.last(kind)
    full = records.last("full", OK)
    if kind == "differential" and full and (last is None or full.started > last.started):
        # A full backup has all that a differential one would have.
        last = full
    if tick > (last.started if last else first_seen):
        return Due(tick, "scheduled")
    needed = _needed(full, full_since) if kind == "full" else ""
    if last is None:
        return Due(first_seen, needed) if needed else Due(following, "scheduled")
    if needed and full_since is not None and last.started < full_since:
        return Due(full_since, needed)
    if last.result == OK:
        return Due(following, "scheduled")
    begin = max(tick, full_since) if needed and full_since else tick
    failures = _failures_since(records.all(kind), begin)
    ended = last.ended or last.started
    if failures <= RETRIES:
        return Due(ended + datetime.timedelta(seconds=RETRY_SECONDS), "repeated")
    if needed:
        again = ended + datetime.timedelta(seconds=NEEDED_BACKUP_RETRY_SECONDS)
        return Due(min(again, following), needed)
    return Due(following, "scheduled")


def _needed(full: Record | None, since: datetime.datetime | None) -> str:
    """Why a full backup cannot wait for its regular time; empty: it can. full: the newest."""
    if full is None:
        return "there is no full backup"
    if since is not None and full.started < since:
        return "there is no full backup since a recovery"
    return ""


def _failures_since(records: Sequence[Record], tick: datetime.datetime) -> int:
    """How many runs since the last regular time failed, without one between them that did not."""
    count = 0
    for record in reversed(records):
        if record.result == OK or record.started < tick:
            break
        count += 1
    return count


@dataclass
class Child:
    """A process that was started. what: a kind, or one of this program's own errands."""

    what: str
    process: "subprocess.Popen[bytes]"
    started: float
    longest: float
    asked_to_stop: float | None = None


class Scheduler:
    """One child at a time. data: where records and states are kept."""

    def __init__(
        self,
        settings: Settings,
        data: Path,
        *,
        only: str | None = None,
        program: Sequence[str] = PROGRAM,
        clock: Callable[[], datetime.datetime] = times.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schedules = kinds_to_run(settings.schedules, only)
        self.records = Records(data)
        self.child: Child | None = None
        self._starts_scheduled = settings.starts_scheduled
        self._data = data
        self._program = tuple(program)
        self._clock = clock
        self._monotonic = monotonic
        self._path = data / "state.json"
        before = state.read(self._path) or {}
        self._first_seen = self._seen(before)
        # None: this container does not prepare the repository.
        self._stanza: dict[str, Any] | None = None
        self._stanza_done = "full" not in self.schedules
        if not self._stanza_done:
            created = (before.get("stanza") or {}).get("created")
            self._stanza = {"created": created, "error": None}
        self._stanza_at = self._monotonic()
        self._stanza_pause = STANZA_FIRST_SECONDS
        self._send_at = self._monotonic() + SEND_SECONDS
        # kind → not before; for what could not even begin.
        self._held_back: dict[str, float] = {}

    def _seen(self, before: dict[str, Any]) -> dict[str, datetime.datetime]:
        found = {}
        for kind in self.schedules:
            try:
                found[kind] = times.parse(before["kinds"][kind]["first_seen"])
            except (KeyError, TypeError, ValueError):
                found[kind] = self._clock()
        return found

    # One look.

    def tick(self) -> None:
        """Looks after the child, starts what is due, and says how things stand."""
        if self.child is not None:
            self._look_after(self.child)
        for kind in self.schedules:
            if self.child is None or self.child.what != kind:
                jobs.settle(kind, self._data, self.records)
        if self.child is None:
            self._start_next()
        self.publish()

    def _start_next(self) -> None:
        now = self._monotonic()
        if not self._stanza_done and now >= self._stanza_at:
            self._start(STANZA, [STANZA], STANZA_SECONDS)
            return
        for kind in self.schedules:
            if now < self._held_back.get(kind, now) or self._waits_for_stanza(kind):
                continue
            last = self.records.last(kind)
            if last is not None and last.running:
                # By hand.
                continue
            if not self._starts(kind):
                continue
            due = self._due(kind)
            if due.at <= self._clock():
                log(f"{kind} begins: {due.why}")
                self._start(kind, ["run", kind], LONGEST_JOB_SECONDS)
                return
        if now >= self._send_at:
            self._send_at = now + SEND_SECONDS
            if self.records.unsent():
                self._start(SEND, [SEND, "--send"], SEND_SECONDS)

    def _starts(self, kind: str) -> bool:
        """Whether it is this program that starts it, and not the platform."""
        return self._starts_scheduled or (kind == "full" and self.records.last(kind, OK) is None)

    def _waits_for_stanza(self, kind: str) -> bool:
        return (
            jobs.LOCKS.get(kind) == "backup"
            and self._stanza is not None
            and self._stanza["created"] is None
        )

    def _due(self, kind: str) -> Due:
        return when_due(
            kind,
            self.schedules[kind],
            self.records,
            self._first_seen[kind],
            self._clock(),
            wanted.full_since(self._data),
        )

    # The child.

    def _start(self, what: str, arguments: list[str], longest: float) -> None:
        process = subprocess.Popen(
            [*self._program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # A group of its own: what it starts is stopped with it.
            start_new_session=True,
            # It would inherit what this program blocks, and could not be asked to stop.
            preexec_fn=_unblock,
        )
        self.child = Child(what, process, self._monotonic(), longest)

    def _look_after(self, child: Child) -> None:
        now = self._monotonic()
        if child.process.poll() is not None:
            self._ended(child)
        elif child.asked_to_stop is not None:
            if now - child.asked_to_stop >= STOP_SECONDS:
                self._kill(child)
                self._ended(child)
        elif now - child.started >= child.longest:
            log(f"{child.what} takes longer than {child.longest:.0f} s: it is stopped")
            child.asked_to_stop = now
            _signal(child, signal.SIGTERM)

    def _ended(self, child: Child) -> None:
        self.child = None
        status = child.process.returncode
        # Whatever it left behind.
        _signal(child, signal.SIGKILL)
        if child.what == STANZA:
            self._stanza_ended(status)
        elif child.what in self.schedules:
            error = "it took too long and was killed" if child.asked_to_stop else jobs.KILLED
            jobs.settle(child.what, self._data, self.records, error)
            last = self.records.last(child.what)
            result = last.result if last else None
            log(f"{child.what} ended with status {status}: {result}")
            if status != 0:
                # Also where it ended before it began a record: not again at once.
                pause = TICK_SECONDS * 6 if status == jobs.AlreadyRunning.exit_status else None
                self._held_back[child.what] = self._monotonic() + (pause or RETRY_SECONDS)

    def _stanza_ended(self, status: int) -> None:
        assert self._stanza is not None
        if status == 0:
            self._stanza_done = True
            self._stanza = {"created": times.iso(self._clock()), "error": None}
            log("the repository is prepared")
            return
        self._stanza["error"] = (
            f"the repository could not be prepared (status {status}): see this container's log"
        )
        self._stanza_at = self._monotonic() + self._stanza_pause
        self._stanza_pause = min(2 * self._stanza_pause, STANZA_LONGEST_SECONDS)

    def _kill(self, child: Child) -> None:
        log(f"{child.what} did not stop within {STOP_SECONDS:.0f} s: killed")
        _signal(child, signal.SIGKILL)
        child.process.wait()

    def stop(self) -> None:
        """Asks the child to stop, waits, and notes what became of it."""
        child = self.child
        if child is not None:
            _signal(child, signal.SIGTERM)
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._kill(child)
            self.child = None
            _signal(child, signal.SIGKILL)
            if child.what in self.schedules:
                jobs.settle(child.what, self._data, self.records)
        self.publish()

    # How things stand.

    def publish(self) -> None:
        """Writes state.json; a disk that does not take it is in the log."""
        document = {
            "time": times.iso(self._clock()),
            "stanza": self._stanza,
            "kinds": {kind: self._kind(kind) for kind in self.schedules},
            "unsent_records": len(self.records.unsent()),
        }
        try:
            state.write(self._path, document, lasting=False)
        except OSError as error:
            log(f"{self._path} cannot be written: {error.strerror}")

    def _kind(self, kind: str) -> dict[str, Any]:
        last, last_ok = self.records.last(kind), self.records.last(kind, OK)
        running = None
        if last is not None and last.running:
            how_far = state.read(kept_for(self._data, kind)) or {}
            running = {
                "since": times.iso(last.started),
                **{name: how_far.get(name) for name in ("what", "done", "total")},
            }
        return {
            "schedule": self.schedules[kind],
            "first_seen": times.iso(self._first_seen[kind]),
            "last": last.document() if last else None,
            "last_ok": last_ok.document() if last_ok else None,
            "running": running,
            "next": None if running else times.iso(max(self._due(kind).at, self._clock())),
        }


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _signal(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, number)


def main(settings: Settings, data: Path, only: str | None = None) -> int:
    """Runs until it is asked to stop. Raises WrongInput."""
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    # Blocked and waited for, not handled: none is lost between two looks.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    scheduler = Scheduler(settings, data, only=only)
    log(f"schedules {', '.join(scheduler.schedules)}")
    while True:
        scheduler.tick()
        received = signal.sigtimedwait(signals, TICK_SECONDS)
        if received is not None and received.si_signo != signal.SIGCHLD:
            scheduler.stop()
            log("ends")
            return 0
