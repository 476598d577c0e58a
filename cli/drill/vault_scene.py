"""What a drill of the vault is carried out with: the steps that several kinds share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.drill.stop import StopRequest
from cli.drill.store import Store
from cli.drill.target import Cluster
from cli.drill.vault_service import (
    ALREADY_RUNNING,
    BACKUP,
    LONG_SECONDS,
    QUICK_SECONDS,
    RESTORE_TEST,
    Answer,
    BackupService,
    records_among,
)
from cli.errors import OperationFailed

SECOND = timedelta(seconds=1)
"""A backup's end is known to the second only."""


@dataclass(frozen=True)
class VaultTiming:
    """How long steps wait, or wait at most. Seconds."""

    apart: float = 2.0
    """Between what is to be told apart by the vault's times, which are in whole seconds."""
    poll: float = 1.0
    busy_limit: float = 1800.0
    """For a run of the schedule that is under way when the drill wants one of its own."""
    window_limit: float = 180.0
    """For there to be a recoverable window after the first backup."""
    first_answer_limit: float = 30.0
    noticed_limit: float = 120.0
    """For the archiver's state to say that the vault is away, counted from a full segment."""
    longest_gap: float = 10.0
    """Without an acknowledged commit, while the vault is away: above what a loaded machine takes
    for a commit."""
    arrival_limit: float = 300.0
    """For all that waited to arrive, and as long again as the vault was away."""
    read_back_limit: float = 60.0


@dataclass
class Findings:
    """What one run came to, filled in as it goes.

    found: the harm was noticed by what has to notice it. named: how it was named; empty if it was
    not. recovered: everything is there again, and a restore of it passed. failures: what else went
    wrong. details: measurements, by kind. seconds: of each step.
    """

    found: bool = False
    named: str = ""
    recovered: bool = False
    failures: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


Tell = Callable[[str], None]


@dataclass(frozen=True)
class VaultScene:
    """What a kind may use. Steps raise OperationFailed when they cannot be carried out, and
    Interrupted, before they begin, when a stop was requested.
    """

    cluster: Cluster
    service: BackupService
    store: Store
    stop: StopRequest
    tell: Tell
    hold_seconds: float
    clients: int
    timing: VaultTiming
    findings: Findings

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tells of a step and takes its time."""
        self.stop.sleep(0)
        self.tell(what)
        began = time.monotonic()
        try:
            yield
        finally:
            self.findings.seconds[what] = round(time.monotonic() - began, 3)

    def ask(self, member: str, *arguments: str, seconds: float = QUICK_SECONDS) -> Answer:
        """Asks, and again for as long as a run of the same kind is under way."""
        deadline = time.monotonic() + self.timing.busy_limit
        while True:
            answer = self.service.ask(member, *arguments, seconds=seconds)
            if answer.status != ALREADY_RUNNING or time.monotonic() >= deadline:
                return answer
            self.stop.sleep(self.timing.poll)

    def must(self, member: str, *arguments: str, seconds: float = LONG_SECONDS) -> Answer:
        """Asks for what has to succeed."""
        answer = self.ask(member, *arguments, seconds=seconds)
        if answer.status:
            raise OperationFailed(answer.failure())
        return answer

    def info(self) -> dict[str, Any]:
        """`info`: the recoverable window and the backups."""
        found: dict[str, Any] = self.ask(BACKUP, "info").value()
        return found

    def records(self, member: str, kind: str) -> list[dict[str, Any]]:
        """Every record of that kind that the member has, oldest first."""
        said = self.must(member, "records", "--kind", kind, seconds=QUICK_SECONDS).said
        return sorted(records_among(said), key=lambda each: str(each["started"]))

    def make_sure_of_a_backup(self) -> None:
        """A full backup that is the newest of all: it is the one that is harmed, and a restore
        that begins with a later one might do without what was.
        """
        backups = self.info()["backups"]
        if not backups or backups[-1]["type"] != "full":
            with self.step("full backup"):
                self.must(BACKUP, "run", "full")

    def make_sure_of_a_dump(self) -> None:
        """A logical dump of every database."""
        listed = self.ask(BACKUP, "list").value()["list"]
        if not any(each["kind"] == "logical" and each["result"] == "ok" for each in listed):
            with self.step("logical dump"):
                self.must(BACKUP, "run", "logical")

    def switch_wal(self) -> None:
        """Closes the WAL segment and waits until it is in the vault."""
        self.must(BACKUP, "switch-wal", seconds=QUICK_SECONDS)

    def point(self) -> str:
        """The latest time that can be restored. Right after a backup there is none for a moment
        that needs any WAL.
        """
        deadline = time.monotonic() + self.timing.window_limit
        while True:
            self.switch_wal()
            # Which would go by itself within half a minute.
            self.must(BACKUP, "flush-journal", seconds=QUICK_SECONDS)
            found = self.info()
            window = found["window"]
            if window and moment(window["end"]) > moment(window["newest_backup_stop"]) + SECOND:
                return str(window["end"])
            if time.monotonic() >= deadline:
                raise OperationFailed(
                    f"nothing can be restored yet, after {self.timing.window_limit:.0f} s: "
                    f"{found.get('message') or 'the window has not moved since the newest backup'}"
                )
            self.stop.sleep(self.timing.poll)

    def restore_test(self, *options: str) -> Answer:
        """A restore test, whatever comes of it."""
        return self.ask(RESTORE_TEST, "run", "restore-test", *options, seconds=LONG_SECONDS)

    def note_failed_test(self, answer: Answer, since: datetime) -> str:
        """Whether a restore test that had to fail did, and left a record that says so; what both
        say about it.
        """
        failed = [
            each
            for each in self.records(RESTORE_TEST, "restore-test")
            if each["result"] == "failed" and moment(str(each["started"])) >= since
        ]
        said = "; ".join([answer.error(), *(text for each in failed for text in _said(each))])
        self.findings.found = answer.status not in (0, 2) and bool(failed)
        self.findings.details["test_status"] = answer.status
        self.findings.details["error"] = said
        self.findings.details["failure_records"] = len(failed)
        if answer.status == 0:
            self.findings.failures.append("the restore test passed: the harm was not found")
        elif answer.status == 2:
            # Refused for what it was asked: that finds nothing.
            self.findings.failures.append(f"the restore test was not made: {answer.failure()}")
        elif not failed:
            self.findings.failures.append("the restore test failed and left no failure record")
        return said

    def note_passed_test(self, *options: str) -> None:
        """A restore test that has to pass: then everything is recovered."""
        answer = self.restore_test(*options)
        self.findings.recovered = answer.status == 0
        if answer.status:
            self.findings.failures.append(f"afterwards the {answer.failure()}")

    @contextmanager
    def rewound(self) -> Iterator[datetime]:
        """Everything in the vault as it was before the block, whatever happens in it. Gives the
        time it goes back to.
        """
        before = datetime.now(UTC)
        self.stop.sleep(self.timing.apart)
        try:
            yield before
        finally:
            began = time.monotonic()
            self.tell("rewinding the vault")
            try:
                # Not self.ask: what was harmed is healed before anybody may interrupt.
                answer = self.service.ask(
                    BACKUP, "rewind", "--to", written(before), seconds=LONG_SECONDS
                )
                failed = answer.failure() if answer.status else None
            except Exception as error:  # noqa: BLE001 - whatever the platform raises fails the run
                failed = str(error)
            if failed:
                self.findings.failures.append(
                    f"the vault is not as it was: {failed}; carry out in {BACKUP}: "
                    f"backup-service rewind --to {written(before)}"
                )
            self.findings.seconds["rewinding the vault"] = round(time.monotonic() - began, 3)


def _said(record: dict[str, Any]) -> Iterator[str]:
    """What a failed restore test names: its error, and the backup if its files do not restore."""
    yield str(record.get("error"))
    wrong = {each["what"] for each in record.get("verified") or () if each["result"] is not True}
    if "files" in wrong:
        yield f"files of backup {record['details'].get('backup')}"


def moment(text: str) -> datetime:
    """A time as the program writes it. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def written(time_: datetime) -> str:
    """A time as the program reads it."""
    return time_.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
