"""Proves that what is in the vault restores: the database to a point in time, dumps, snapshots.

Everything is restored into a folder of its own and asked there; see `run` for what is verified.
What is damaged is named, and what does not depend on it is looked at all the same.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backup_service import (
    checks,
    continuity,
    controldata,
    dump_check,
    leftover,
    pgbackrest,
    recover,
    redis_check,
    timelines,
    times,
    wal_content,
    window,
)
from backup_service.checks import Finding
from backup_service.continuity import Archived
from backup_service.errors import WrongInput, describe
from backup_service.jobs import JobContext, Outcome
from backup_service.recover import Restored, Target
from backup_service.settings import DATA, FILES
from backup_service.throwaway import BIN, Reached, Throwaway
from backup_service.window import NoWindow, Window

if TYPE_CHECKING:
    from backup_service.canary import Entry

FOLDER = "restore-test"
# Paused, it would hold the locks of whatever was under way at the point, and an ALTER TABLE then
# keeps everybody from asking; in service, what was not committed by then is undone.
ACTION = "promote"
DATABASE_STEPS = (
    *("window", "files", "WAL continuity", "recovery", "canary", "invariants"),
    *("page checksums", "WAL after the point"),
)
# Beside the files: WAL that is replayed, and what the server writes.
SPACE_FACTOR = 1.2
# After a backup it takes up to a minute until anything later is in the archive.
PATIENCE_SECONDS = 150.0
LOOK_SECONDS = 10.0
# A commit's time is taken a moment before its record is written. A point in that moment could
# lie on either side of it.
MARGIN = timedelta(milliseconds=100)
MOST_DRAWS = 50
SECOND = timedelta(seconds=1)


def run(
    context: JobContext, data: Path = DATA, files: Path = FILES, bin_dir: Path = BIN
) -> Outcome:
    """The job. options: at (text, else a random point), wrong_key.

    Verifies, in this order: DATABASE_STEPS, logical dumps, redis snapshot. details:
      {"point": ISO time with microseconds, "backup": label, "window": {…}, "reached": {"lsn",
       "time", "timeline", "segment", "segments"}, "seconds": {step: seconds},
       "seconds_to_restore": files and recovery, "bytes", "not_run": {step: why},
       "pgbackrest_log": [line], "server_log": [line]}
    """
    folder = data / FOLDER
    # What an earlier run left, which was killed.
    leftover.remove(folder)
    own = folder / f"{times.stamp(times.now())}-{secrets.token_hex(3)}"
    own.mkdir(mode=0o700, parents=True)
    test = _Test(context, own, files, bin_dir)
    try:
        test.database()
        test.dump()
        test.snapshot()
    finally:
        leftover.remove(folder)
    return Outcome(test.bytes, [each.document() for each in test.findings], test.details)


class _Stop(Exception):
    """What comes next depends on what has just failed."""


class _Test:
    """One run. findings and details grow as it goes."""

    def __init__(self, context: JobContext, own: Path, files: Path, bin_dir: Path) -> None:
        self.findings: list[Finding] = []
        self.bytes: int | None = None
        self._seconds: dict[str, float] = {}
        self._not_run: dict[str, str] = {}
        self.details: dict[str, Any] = {"seconds": self._seconds, "not_run": self._not_run}
        self._settings = context.settings
        self._vault = context.vault
        self._progress = context.progress
        self._at: str | None = context.options.get("at")
        self._own = own
        self._bin = bin_dir
        self._environment: dict[str, str] = {}
        self._secret = files / "logical.key"
        if context.options.get("wrong_key"):
            # Random, and of use to nobody: it need not be kept from the environment.
            self._environment["PGBACKREST_REPO1_CIPHER_PASS"] = secrets.token_urlsafe(32)
            self._secret = own / "wrong.key"
            self._secret.write_text(secrets.token_urlsafe(32) + "\n")
            self.details["wrong_key"] = True

    # The three parts. What is wrong in one does not keep the others from being looked at.

    def database(self) -> None:
        """The newest backup, and WAL up to the point."""
        try:
            with self._step("window"):
                point, backup, folder, archive_id = self._prepare()
            segments: tuple[Archived, ...] = ()
            size = 0
            with self._server() as server:
                self._files(server, point, backup)
                # A gap behind the point does not prevent the recovery; one before it is found
                # again.
                with contextlib.suppress(_Stop), self._step("WAL continuity"):
                    size = self._segment_bytes(server)
                    segments = self._continuity(folder, archive_id, backup, size)
                reached = self._recover(server)
                later = [each for each in segments if not reached.before(each.name, size)]
                self._ask(server, point, later, size)
        except _Stop as why:
            steps = (each for each in DATABASE_STEPS if each not in self._seconds)
            self._not_run |= dict.fromkeys(steps, str(why))
        finally:
            leftover.remove(self._own / "postgres")

    def dump(self) -> None:
        """The newest logical dump."""
        with contextlib.suppress(_Stop), self._step("logical dump"):
            folder = self._folder("dump")
            self.findings += dump_check.check(
                self._vault, folder, self._secret, self._progress, self._bin
            )
            leftover.remove(folder)

    def snapshot(self) -> None:
        """The newest snapshot of Redis."""
        with contextlib.suppress(_Stop), self._step("redis snapshot"):
            self.findings += redis_check.check(
                self._vault, self._folder("redis"), self._secret, self._progress
            )

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """Timed; an error in it is a finding."""
        began = time.monotonic()
        try:
            yield
        except (_Stop, WrongInput):
            raise
        except Exception as error:  # noqa: BLE001
            # Whatever it is: the record says so, and what else can be verified is.
            self._found(what, False, describe(error))
            raise _Stop(f"{what} failed") from None
        finally:
            self._seconds[what] = round(time.monotonic() - began, 3)

    def _found(self, what: str, result: bool, detail: str) -> None:
        self.findings.append(Finding(what, result, detail))

    def _folder(self, name: str) -> Path:
        folder = self._own / name
        folder.mkdir(mode=0o700)
        return folder

    # What is restored, and to when.

    def _prepare(self) -> tuple[datetime, Mapping[str, Any], str, str]:
        """(point, backup as `info` lists it, the archive's folder in the vault, its name)."""
        found = window.find(self._settings, self._vault)
        repository = pgbackrest.repository(self._settings.stanza)
        backups = timelines.usable(repository, self._settings.stanza, found.archive_max)
        if not backups:
            raise NoWindow(
                "no backup leads to the newest timeline: take one with "
                "`selfmonitor backup now --kind full`"
            )
        point = self._asked(found) if self._at else self._random(found, backups[-1])
        labels = recover.backups_for(Target.at(point), backups)
        if not labels:
            raise WrongInput(f"no backup was finished a second before {self._at}")
        backup = next(each for each in backups if each["label"] == labels[0])
        archive_id = timelines.archive_id(repository, backup["database"]["id"])
        self.details |= {
            "point": f"{point:%Y-%m-%dT%H:%M:%S.%fZ}",
            "backup": backup["label"],
            "window": found.document(),
        }
        self._found("window", True, f"{times.iso(found.begin)} to {times.iso(found.end)}")
        self._check_space(backup["info"]["size"])
        return (
            point,
            backup,
            f"pgbackrest/archive/{self._settings.stanza}/{archive_id}/",
            archive_id,
        )

    def _asked(self, found: Window) -> datetime:
        target = recover.parse(self._at or "", times.now())
        if target.kind != recover.TIME:
            raise WrongInput(f"a restore test goes to a time, and {self._at} is none")
        if not found.holds(target.time):
            raise WrongInput(
                f"{target} is outside the recoverable window, "
                f"{times.iso(found.begin)} to {times.iso(found.end)}"
            )
        return target.time

    def _random(self, found: Window, newest: Mapping[str, Any]) -> datetime:
        """Anywhere between the newest backup and the end of the window, microseconds and all."""
        # A backup's end is known to the second only.
        stop = times.from_seconds(newest["timestamp"]["stop"]) + SECOND
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (span := self._span(stop, found.end)) is None:
            if time.monotonic() > deadline:
                raise NoWindow(f"nothing was archived since the newest backup, {newest['label']}")
            self._progress.report("waiting for WAL after the newest backup", 0, None)
            time.sleep(LOOK_SECONDS)
            found = window.find(self._settings, self._vault)
        begin, microseconds = span
        point = begin
        for _ in range(MOST_DRAWS):
            point = begin + timedelta(microseconds=secrets.randbelow(microseconds))
            before = self._expected(point)
            if before is None or point - before.time > MARGIN:
                break
        return point

    def _span(self, begin: datetime, end: datetime) -> tuple[datetime, int] | None:
        """(first point, how many microseconds) one can choose from."""
        from backup_service.canary import journal

        if begin >= end:
            return None
        if self._expected(begin) is None:
            vault: Any = self._vault
            entries = journal(vault, begin, end)
            begin = entries[0].time if entries else end
        microseconds = (end - begin) // timedelta(microseconds=1)
        return (begin, microseconds) if microseconds > 0 else None

    def _expected(self, point: datetime) -> "Entry | None":
        from backup_service.canary import expected_at

        vault: Any = self._vault
        return expected_at(vault, point)

    def _check_space(self, size: int) -> None:
        needed = int(size * SPACE_FACTOR)
        free = shutil.disk_usage(self._own).free
        if free < needed:
            raise OSError(
                f"{self._own.parent} has {free} bytes free, the backup needs {needed}: "
                "give the restore test's volume more room"
            )

    def _continuity(
        self, folder: str, archive_id: str, backup: Mapping[str, Any], segment_bytes: int
    ) -> tuple[Archived, ...]:
        def history(timeline: int) -> str:
            return timelines.history(self._settings.stanza, archive_id, timeline)

        self._progress.report("looking for every WAL segment", 0, None)
        start = backup["archive"]["start"]
        found = continuity.check(self._vault, folder, start, segment_bytes, history)
        self._found("WAL continuity", not found.missing, str(found))
        return found.there

    # What it is asked.

    def _server(self) -> Throwaway:
        folder = self._folder("postgres")
        return Throwaway(folder / "data", bin_dir=self._bin, environment=self._environment)

    def _segment_bytes(self, server: Throwaway) -> int:
        """How long the restored cluster's segments are: what they are named by."""
        return controldata.segment_bytes(controldata.read(server.directory, self._bin))

    def _files(self, server: Throwaway, point: datetime, backup: Mapping[str, Any]) -> None:
        with self._step("files"):
            restored: Restored = recover.restore_files(
                Target.at(point),
                server.directory,
                self._progress,
                stanza=self._settings.stanza,
                set_label=backup["label"],
                action=ACTION,
                total=backup["info"]["size"],
                environment=self._environment,
            )
            self.bytes = restored.bytes
            self.details |= {"bytes": restored.bytes, "pgbackrest_log": list(restored.log)}
            self._found("files", True, f"{restored.bytes} bytes of {backup['label']}")

    def _recover(self, server: Throwaway) -> Reached:
        with self._step("recovery"):
            try:
                reached: Reached = server.start(ACTION, self._progress)
            finally:
                self.details["server_log"] = server.log_tail
            self.details["reached"] = {
                **asdict(reached),
                "time": reached.time and times.iso(reached.time),
            }
            self._found(
                "recovery",
                True,
                f"in service at {reached.lsn}, {reached.segments} segments replayed",
            )
        seconds = self._seconds["files"] + self._seconds["recovery"]
        self.details["seconds_to_restore"] = round(seconds, 3)
        return reached

    def _ask(
        self, server: Throwaway, point: datetime, later: list[Archived], segment_bytes: int
    ) -> None:
        steps: dict[str, Callable[[], list[Finding]]] = {
            "canary": lambda: [checks.canary(server, self._expected(point))],
            "invariants": lambda: checks.invariants(server, self._settings.invariants),
            "page checksums": lambda: [self._checksums(server)],
            "WAL after the point": lambda: [self._later(server, later, segment_bytes)],
        }
        for what, step in steps.items():
            with contextlib.suppress(_Stop), self._step(what):
                self.findings += step()

    def _checksums(self, server: Throwaway) -> Finding:
        server.stop()
        self._progress.report("checking every page", 0, self.bytes)
        found = server.checksums()
        if found.damaged:
            return Finding("page checksums", False, "damaged: " + ", ".join(found.damaged))
        return Finding("page checksums", True, f"{found.blocks} pages")

    def _later(self, server: Throwaway, segments: list[Archived], segment_bytes: int) -> Finding:
        wrong = wal_content.damaged(
            segments,
            server.directory,
            self._progress,
            segment_bytes=segment_bytes,
            stanza=self._settings.stanza,
            environment=self._environment,
        )
        detail = "; ".join(wrong) or f"{len(segments)} segments read back"
        return Finding("WAL after the point", not wrong, detail)
