"""Commits something every few seconds and writes down what was committed, and when exactly.

A restore to any time is then checked against what the table held at that time. The same process
watches the archiver, since it is connected to the primary anyway.

Reads from the service's files: postgres.password, ca.crt, tls.crt, tls.key.
Writes in the service's data: canary.jsonl, canary.flushed (see journal.py), archiver.json.
"""

import contextlib
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from backup_service import archiver, state
from backup_service import journal as journal_file
from backup_service.journal import Back, Entry, Local, expected_at, journal
from backup_service.postgres import bounded, connect, one_line
from backup_service.settings import DATA, FILES, Settings

__all__ = ["CONTENT_SQL", "Entry", "expected_at", "flush", "journal", "main"]

JOURNAL = "canary.jsonl"
ARCHIVER = "archiver.json"

# The table is small, so that hashing all of it costs nothing.
ROWS = 1000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

TABLE = """
CREATE TABLE IF NOT EXISTS public.canary
    (id bigint PRIMARY KEY, at timestamptz NOT NULL, content text NOT NULL)
"""
# No setting of the session has a say in it: the same on the primary and on a restored instance.
CONTENT_SQL = """
SELECT encode(sha256(convert_to(coalesce(string_agg(
    id::text || to_char(at AT TIME ZONE 'UTC', ' YYYY-MM-DD"T"HH24:MI:SS.US ') || content,
    chr(10) ORDER BY id), ''), 'UTF8')), 'hex')
FROM public.canary
"""
# The row that came last also dates the last change: each transaction inserts exactly one.
LAST = """
SELECT clock_timestamp(), pg_walfile_name(pg_current_wal_insert_lsn()), last.id, last.committed
FROM (SELECT) AS always LEFT JOIN
     (SELECT id, pg_xact_commit_timestamp(xmin) AS committed
      FROM public.canary ORDER BY id DESC LIMIT 1) AS last ON true
"""
INSERT = """
INSERT INTO public.canary
SELECT coalesce(max(id), 0) + 1, clock_timestamp(), %s FROM public.canary RETURNING id
"""
COMMITTED = """
SELECT pg_xact_commit_timestamp(%s::xid), pg_walfile_name(pg_current_wal_insert_lsn())
"""

STATEMENT_MILLISECONDS = 5000
LOCK_MILLISECONDS = 2000
# A commit that waits for a standby may wait for ever. A failover takes longer than this, and then
# the next look says what became of it.
BEAT_SECONDS = 8
OBSERVE_SECONDS = 5
FLUSH_SECONDS = 120
TRIM_SECONDS = 3600
AGAIN_SECONDS = 1.0
LOOK_SECONDS = 0.2
# One that is told again and again is told this often.
QUIET_SECONDS = 300


class Doubt(Exception):
    """The table is not as it was left."""


def log(text: str) -> None:
    sys.stderr.write(f"canary: {text}\n")
    sys.stderr.flush()


class Complaints:
    """Tells of a trouble when it begins, now and then while it lasts, and when it ends."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._told: float | None = None

    def trouble(self, text: str) -> None:
        now = self._clock()
        if self._told is None or now - self._told >= QUIET_SECONDS:
            self._told = now
            log(f"{self._what}: {text}")

    def over(self) -> None:
        if self._told is not None:
            self._told = None
            log(f"{self._what}: well again")


class Canary:
    """The table. Every method raises psycopg.Error, OSError or Doubt, and then `look` is due."""

    def __init__(self, connection: psycopg.Connection[Any], local: Local) -> None:
        self._connection = connection
        self._local = local
        self._last = 0

    def look(self) -> None:
        """Journals what is really there: a commit may be in doubt, and time may have gone back."""
        connection = self._connection
        with bounded(connection, BEAT_SECONDS):
            connection.execute(TABLE)
            with connection.transaction():
                # One snapshot for the row and the hash.
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                now, segment, identifier, committed = _row(connection.execute(LAST))
                (sha256,) = _row(connection.execute(CONTENT_SQL))
        self._last = identifier or 0
        found = None
        if identifier is not None:
            if committed is None:
                # Restored from a dump, or older than commit times are kept: the next commit is new.
                log(f"row {identifier} has no commit time: not journalled")
                return
            found = Entry(committed, identifier, sha256, segment)
        before = self._local.last
        if _went_back(before, found, segment):
            # What the journal has after this was undone by a restore, or never came to be.
            self._local.add(Back(found.time if found else BEGINNING, now))
        if found is not None and (before is None or found.time != before.time):
            self._local.add(found)

    def beat(self) -> Entry:
        """One commit; in the local journal when it returns."""
        connection = self._connection
        with bounded(connection, BEAT_SECONDS):
            with connection.transaction():
                (identifier,) = _row(connection.execute(INSERT, [secrets.token_hex(32)]))
                if identifier != self._last + 1:
                    # A commit given up as in doubt has been made in the meantime.
                    raise Doubt(f"row {identifier - 1} is there, {self._last} was the last")
                connection.execute("DELETE FROM public.canary WHERE id <= %s", [identifier - ROWS])
                (sha256,) = _row(connection.execute(CONTENT_SQL))
                (transaction,) = _row(connection.execute("SELECT pg_current_xact_id()::xid::text"))
            # The insert position is behind the commit record: so is this segment, or its own.
            committed, segment = _row(connection.execute(COMMITTED, [transaction]))
        if committed is None:
            raise Doubt("the server keeps no commit times: set track_commit_timestamp to on")
        entry = Entry(committed, identifier, sha256, segment)
        self._local.add(entry)
        self._last = identifier
        return entry


def _went_back(before: Entry | None, found: Entry | None, segment: str) -> bool:
    """Whether the database lacks what was journalled. That always comes with a new timeline."""
    if before is None:
        # A journal of which nothing is known here may be in the vault.
        return found is not None
    timeline, earlier = segment[:8], before.segment[:8]
    return timeline != earlier and (found is None or found.time < before.time)


def _row(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise Doubt("the server gave no row")
    return row


class Flusher:
    """Has the journal written to the vault, by a process that ends: its library takes memory."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._began = clock()
        self._complaints = Complaints("the journal cannot be written to the vault", clock)

    @property
    def busy(self) -> bool:
        return self._process is not None

    def step(self) -> None:
        """Begins, ends or looks after it; never waits for the vault."""
        age = self._clock() - self._began
        if self._process is None:
            if age >= self._every:
                self._begin()
        elif self._process.poll() is not None:
            self._end(self._process)
        elif age > FLUSH_SECONDS:
            self._process.kill()

    def _begin(self) -> None:
        self._began = self._clock()
        self._process = subprocess.Popen(
            [sys.executable, sys.argv[0], "flush-journal"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def _end(self, process: "subprocess.Popen[str]") -> None:
        self._process = None
        _, text = process.communicate()
        if process.returncode == 0:
            self._complaints.over()
        else:
            lines = text.strip().splitlines() or [f"exit status {process.returncode}"]
            self._complaints.trouble(lines[-1])


def flush(settings: Settings, data: Path = DATA) -> int:
    """What `backup-service flush-journal` does; how many lines. Raises what the vault does."""
    path = data / JOURNAL
    # The vault's library takes memory and a second to load, for nothing where nothing waits.
    if not journal_file.waits(path):
        return 0
    from backup_service.jobs import open_vault

    return journal_file.flush(path, open_vault(settings), datetime.now(UTC))


class Service:
    """One round after the other; holds the connection."""

    def __init__(self, settings: Settings, data: Path, files: Path) -> None:
        self._settings = settings
        self._files = files
        self._archiver = data / ARCHIVER
        self._local = Local(data / JOURNAL)
        self._flusher = Flusher(settings.journal_seconds)
        self._complaints = Complaints("the primary")
        self._connection: psycopg.Connection[Any] | None = None
        self._canary: Canary | None = None
        self._due = {"beat": 0.0, "observe": 0.0, "trim": 0.0}

    def step(self) -> float:
        """Does what is due; how long to wait for the next, in seconds."""
        wait = LOOK_SECONDS
        try:
            if self._canary is None:
                self._connect()
            if self._is_due("observe", OBSERVE_SECONDS):
                self._observe()
        except (psycopg.Error, OSError, Doubt) as error:
            self._lost(error)
            with contextlib.suppress(OSError):
                state.write(self._archiver, archiver.unknown(one_line(error)), lasting=False)
            wait = AGAIN_SECONDS
        try:
            if self._canary is not None and self._is_due("beat", self._settings.canary_seconds):
                self._canary.beat()
                self._complaints.over()
        except (psycopg.Error, OSError, Doubt) as error:
            self._lost(error)
            wait = AGAIN_SECONDS
        self._flusher.step()
        if not self._flusher.busy and self._is_due("trim", TRIM_SECONDS):
            self._trim()
        return wait

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _connect(self) -> None:
        self._connection = connect(
            self._settings,
            files=self._files,
            statement_timeout=STATEMENT_MILLISECONDS,
            lock_timeout=LOCK_MILLISECONDS,
            idle_in_transaction_session_timeout=2 * STATEMENT_MILLISECONDS,
        )
        canary = Canary(self._connection, self._local)
        canary.look()
        self._canary = canary

    def _observe(self) -> None:
        assert self._connection is not None
        with bounded(self._connection, BEAT_SECONDS):
            found = archiver.observe(self._connection)
        state.write(self._archiver, found, lasting=False)

    def _lost(self, error: Exception) -> None:
        self._complaints.trouble(one_line(error))
        self._canary = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _trim(self) -> None:
        try:
            lost = self._local.trim(datetime.now(UTC))
        except OSError as error:
            log(f"the local journal cannot be trimmed: {error}")
            return
        if lost:
            log(f"{lost} lines of the journal were dropped: the vault was away for too long")


def main(settings: Settings, data: Path = DATA, files: Path = FILES) -> int:
    """Until SIGTERM. Raises OSError when the local journal cannot be opened."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service(settings, data, files)
    wait = 0.0
    while not stop.wait(wait):
        wait = service.step()
    return 0
