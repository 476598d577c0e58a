"""A PostgreSQL on a restored data directory: started, recovered to its target, asked, stopped."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from backup_service import controldata, leftover, server_files
from backup_service.errors import one_line
from backup_service.progress import Progress
from backup_service.recover import NotReached, RecoverFailed
from backup_service.recovery_log import RecoveryLog
from backup_service.segments import lsn_bytes, segment_number
from backup_service.server_files import Listen

if TYPE_CHECKING:
    from psycopg import Connection

BIN = Path("/usr/lib/postgresql/17/bin")
SUPERUSER = "postgres"

LOOK_SECONDS = 0.3
CONNECT_SECONDS = 5
# A segment comes in and is replayed within seconds; a vault that does not answer is tried for a
# minute or two by pgBackRest itself, which then says so.
NO_PROGRESS_SECONDS = 300.0
# A fast stop writes at most shared_buffers.
STOP_SECONDS = 60.0
QUIT_SECONDS = 10.0
INITDB_SECONDS = 120.0
# Each start learns at least one setting of which the source had more; five can be short.
MOST_STARTS = 8
MOST_DAMAGED_NAMED = 10

_WHERE = """
SELECT recovering,
       CASE WHEN recovering THEN pg_get_wal_replay_pause_state() = 'paused' END AS paused,
       pg_last_wal_replay_lsn()::text AS lsn,
       pg_last_xact_replay_timestamp() AS time,
       CASE WHEN NOT recovering THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
FROM pg_is_in_recovery() AS recovering
"""
_BAD_PAGE = re.compile(r'checksum verification failed in file "([^"]+)", block (\d+)')
_BLOCKS = re.compile(r"Blocks scanned:\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a recovery ended; all none or 0 when there was nothing to recover.

    lsn: the last replayed. time: of the last commit replayed. timeline: the one it is on now.
    segment: the last taken from the archive, segments: how many were.
    """

    lsn: str | None
    time: datetime | None
    timeline: int | None
    segment: str | None
    segments: int

    def before(self, segment: str, segment_bytes: int) -> bool:
        """Whether all of this WAL segment was replayed; segment_bytes: how long it is."""
        if self.lsn is None:
            return False
        return segment_number(segment, segment_bytes)[1] < lsn_bytes(self.lsn) // segment_bytes


@dataclass(frozen=True, slots=True)
class Checksums:
    """blocks: how many were read. damaged: "base/5/1259 block 7" of those that do not match."""

    blocks: int
    damaged: tuple[str, ...]


class Throwaway:
    """One server. All else of its own lies beside its data directory, in the same folder.

    durable: it has to outlive a power cut. environment: added to the server's own, and so to that
    of pgBackRest when it fetches WAL. As a context manager it is stopped, by force if need be.
    """

    def __init__(
        self,
        directory: Path,
        *,
        bin_dir: Path = BIN,
        listen: Listen | None = None,
        durable: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.socket = directory.parent / "socket"
        self.port = listen.port if listen else 5432
        self._bin = bin_dir
        self._listen = listen
        self._durable = durable
        self._environment = dict(environment or {})
        self._log_path = directory.parent / "server.log"
        self._log = RecoveryLog(self._log_path)
        self._segment_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Throwaway":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # Its life.

    def initialise(self) -> None:
        """Makes an empty cluster in the directory. Raises RecoverFailed."""
        command = [
            str(self._bin / "initdb"),
            *("-D", str(self.directory), "-U", SUPERUSER, "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
        ]
        self._tool(command, INITDB_SECONDS)

    def start(self, action: str = "pause", progress: Progress | None = None) -> Reached:
        """Starts it and waits until it has recovered: paused at its target, or promoted.

        A cluster with nothing to recover is just started. Raises RecoverFailed, and then it does
        not run.
        """
        leftover.end_server(self.directory)
        try:
            control = controldata.read(self.directory, self._bin)
            self._segment_bytes = controldata.segment_bytes(control)
            least = controldata.least_settings(control)
            for _ in range(MOST_STARTS):
                self._launch(least, action)
                reached = self._await(action, progress)
                if reached is not None:
                    return reached
                self.kill()
                least |= self._log.too_small
        except OSError as error:
            self.kill()
            raise RecoverFailed(f"the server cannot be started: {error}") from None
        except BaseException:
            self.kill()
            raise
        raise RecoverFailed(f"the server lacks {self._log.too_small} however much it is given")

    def _launch(self, least: Mapping[str, str], action: str) -> None:
        own = self.directory.parent
        spool = own / "spool"
        for folder in (self.socket, spool):
            folder.mkdir(mode=0o700, exist_ok=True)
        configuration = server_files.write(
            self.directory,
            own,
            self.socket,
            least=least,
            library_dir=self._bin.parent / "lib",
            listen=self._listen,
            durable=self._durable,
        )
        environment = {
            **os.environ,
            # WAL is fetched ahead, into a folder of this server's own: in a shared one would lie
            # what an earlier recovery was given, right or wrong.
            "PGBACKREST_ARCHIVE_ASYNC": "y",
            "PGBACKREST_SPOOL_PATH": str(spool),
            **self._environment,
        }
        self._log_path.unlink(missing_ok=True)
        self._log = RecoveryLog(self._log_path)
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._bin / "postgres"),
                    *("-D", str(self.directory), "-c", f"config_file={configuration}"),
                    *("-c", f"recovery_target_action={action}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=own,
                # An interrupt at a terminal is for this program, which stops the server itself.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the server's first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_tail(self) -> list[str]:
        """The last lines of its log."""
        self._log.read()
        return list(self._log.tail)

    def reload(self) -> None:
        """Lets it read its certificate again."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ends it with a checkpoint; by force when that takes too long."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends it and all it started, without a checkpoint."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(QUIT_SECONDS)
        leftover.end_group(self._process.pid)
        self._process.wait()
        self._process = None

    # Its recovery.

    def _await(self, action: str, progress: Progress | None) -> Reached | None:
        """Where the recovery ended; None: it needs larger settings."""
        seen: tuple[object, ...] = ()
        changed = time.monotonic()
        while True:
            ended = not self.running
            found = self._ask() if self._log.open else None
            # After the question: a server that pauses for want of a setting has said so first.
            self._log.read()
            if self._log.too_small:
                return None
            if ended:
                failure = NotReached if self._log.not_reached else RecoverFailed
                raise failure(self._log.why(self._segment_bytes))
            if found and (not found["recovering"] or (action == "pause" and found["paused"])):
                return self._reached(found)
            state = (*self._log.state(), found and found["lsn"])
            if state != seen:
                seen, changed = state, time.monotonic()
                if progress:
                    replayed = self._log.segments * self._segment_bytes
                    progress.report("replaying WAL", replayed, None)
            elif time.monotonic() - changed > NO_PROGRESS_SECONDS:
                raise RecoverFailed(
                    f"recovery stood still for {NO_PROGRESS_SECONDS:.0f} s after "
                    f"{self._log.last_segment or 'its start'}; {state[1] or 'its log is empty'}"
                )
            time.sleep(LOOK_SECONDS)

    def _ask(self) -> dict[str, Any] | None:
        import psycopg
        from psycopg.rows import dict_row

        try:
            with self.connect() as connection:
                return connection.cursor(row_factory=dict_row).execute(_WHERE).fetchone()
        except psycopg.Error:
            return None

    def _reached(self, found: Mapping[str, Any]) -> Reached:
        timeline, segment = found["timeline"], self._log.last_segment
        newest = timeline or (segment and segment[:8])
        return Reached(
            lsn=found["lsn"],
            time=found["time"],
            timeline=int(newest, 16) if newest else None,
            segment=segment,
            segments=self._log.segments,
        )

    # What can be asked of it.

    def connect(self, database: str = "postgres", **options: Any) -> "Connection[Any]":
        """A superuser's connection through the socket, each statement its own transaction.

        options: further ones of libpq. Raises psycopg.Error.
        """
        import psycopg

        return psycopg.connect(
            host=str(self.socket),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
            **options,
        )

    def checksums(self) -> Checksums:
        """Reads every page of the stopped server. Raises RecoverFailed when it cannot."""
        done = subprocess.run(
            [str(self._bin / "pg_checksums"), "--check", "-D", str(self.directory)],
            capture_output=True,
            text=True,
            env={"LC_ALL": "C"},
            check=False,
        )
        prefix = str(self.directory) + "/"
        damaged = [
            f"{file.removeprefix(prefix)} block {block}"
            for file, block in _BAD_PAGE.findall(done.stderr)
        ]
        blocks = _BLOCKS.search(done.stdout)
        if blocks is None or (done.returncode and not damaged):
            raise RecoverFailed(f"page checksums cannot be checked: {one_line(done.stderr)}")
        return Checksums(int(blocks[1]), tuple(damaged[:MOST_DAMAGED_NAMED]))

    def _tool(self, command: list[str], seconds: float) -> None:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RecoverFailed(f"{command[0]}: {error}") from None
        if done.returncode:
            raise RecoverFailed(f"{command[0]} failed: {one_line(done.stderr)}")
