"""One run: steady writing, one fault, its healing, recovery, and the count."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from secrets import token_hex

from cli.drill.account import LostRow, settle
from cli.drill.faults import Fault, Heal, Scene
from cli.drill.inside import InsideAccount, settle_inside
from cli.drill.journal import Journal
from cli.drill.outage import longest_silence, rate
from cli.drill.result import Mark, MarkKind, PathResult, RunResult
from cli.drill.service import Service
from cli.drill.stop import Interrupted, StopRequest
from cli.drill.store import StoreError, read_back
from cli.drill.target import InsideWriter, Status, describe
from cli.drill.writer import Writer


@dataclass(frozen=True)
class Timing:
    """How long each step of a run takes, or may take at most. Seconds."""

    healthy_limit: float = 120.0
    first_answer_limit: float = 30.0
    steady: float = 2.0
    poll: float = 0.3
    recovery_limit: float = 120.0
    settle: float = 1.0
    """Writing and health must last this long without a break to count as recovery: right after
    a fault the members still report what was so a moment ago."""
    read_back_limit: float = 60.0
    first_write_limit: float = 10.0
    """For the drill's own table, before anything is broken."""


class NotReady(Exception):
    """The cluster is not fit to be broken: nothing was injected."""


class Phase(StrEnum):
    """What a run is at."""

    WAITING = "waiting for a healthy cluster"
    WRITING = "writing"
    BREAKING = "breaking"
    HOLDING = "broken"
    HEALING = "healing"
    RECOVERING = "recovering"
    READING = "reading every row back"


@dataclass(frozen=True)
class Event:
    """Where a run stands, for whoever watches. Sent at each new phase and at each look.

    `acknowledged`: rows so far.
    """

    kind: str
    number: int
    phase: Phase
    detail: str
    acknowledged: int


Notify = Callable[[Event], None]


def run_once(
    service: Service,
    fault: Fault,
    number: int,
    *,
    clients: int,
    stop: StopRequest,
    notify: Notify,
    timing: Timing,
) -> RunResult:
    """Carries out one run and returns what it came to.

    What the fault broke is healed before this returns or raises, whatever happens. Raises
    NotReady before anything is broken, and Interrupted after healing when a stop was requested;
    its text is what went wrong with the healing, if anything did.
    """
    run = _Run(service, fault, number, clients=clients, stop=stop, notify=notify, timing=timing)
    return run.carry_out()


class _Run:
    def __init__(
        self,
        service: Service,
        fault: Fault,
        number: int,
        *,
        clients: int,
        stop: StopRequest,
        notify: Notify,
        timing: Timing,
    ) -> None:
        self._service = service
        self._fault = fault
        self._number = number
        self._stop = stop
        self._notify = notify
        self._timing = timing
        self._run_id = f"{fault.kind}-{number}-{token_hex(4)}"
        self._writer = Writer(service.store.ways(self._run_id, clients))
        self._marks: list[tuple[MarkKind, float, str]] = []
        self._failures: list[str] = []
        self._leader: str | None = None
        self._broken_at: float | None = None
        """When the injection was complete, and with it the time during which it held."""
        self._heal_at = 0.0
        self._inside: InsideWriter | None = None

    def carry_out(self) -> RunResult:
        try:
            return self._carry_out()
        finally:
            if self._inside is not None:
                self._inside.close()

    def _carry_out(self) -> RunResult:
        started_at = datetime.now(UTC)
        self._wait_until_healthy()
        primary_before = self._leader
        try:
            self._write_steadily()
            self._break_and_heal()
            restored_at = self._wait_until_recovered()
        except Interrupted as interruption:
            raise Interrupted("; ".join(self._failures)) from interruption
        finally:
            journal = self._writer.stop()
        stopped_at = time.monotonic()
        acked_at = journal.acknowledged_at()
        injected_at = next(
            (at for kind, at, _ in self._marks if kind is MarkKind.INJECTION), self._heal_at
        )
        recovered = restored_at is not None
        silent_until = None if recovered else stopped_at
        account = settle(journal, [])  # without the rows: what was acked and what is unknown
        lost: int | None = None
        unknown_found: int | None = None
        lost_rows: tuple[LostRow, ...] = ()
        inside = self._settle_inside()
        rows = self._read_back()
        if rows is not None:
            account = settle(journal, rows)
            lost, unknown_found = account.lost, account.unknown_found
            lost_rows = tuple(
                LostRow(row.client, row.seq, row.acked_at - injected_at)
                for row in account.lost_rows
            )
        return RunResult(
            kind=self._fault.kind,
            number=self._number,
            run_id=self._run_id,
            started_at=started_at,
            failure="; ".join(self._failures) or None,
            recovered=recovered,
            restored_after=restored_at - injected_at if restored_at is not None else None,
            primary_before=primary_before,
            primary_after=self._leader,
            paths={
                path: PathResult(
                    longest_silence(journal.acknowledged_at(path), injected_at, silent_until),
                    tuple(journal.latencies(path, until=injected_at)),
                )
                for path in journal.paths()
            },
            acked=account.acked,
            lost=lost,
            unknown=account.unknown,
            unknown_found=unknown_found,
            unreplicated=self._unreplicated(journal),
            failovers=self._failovers(),
            inside=inside,
            errors=journal.errors,
            lost_rows=lost_rows,
            marks=tuple(Mark(kind, at - injected_at, label) for kind, at, label in self._marks),
            rate=rate(acked_at, injected_at),
        )

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self._timing.healthy_limit
        while True:
            status = self._service.status()
            if status.healthy:
                self._leader = status.leader
                return
            if time.monotonic() >= deadline:
                raise NotReady(
                    f"the cluster was not healthy within {self._timing.healthy_limit:.0f} s "
                    f"({describe(status)})"
                )
            self._tell(Phase.WAITING, describe(status))
            self._stop.sleep(self._timing.poll)

    def _write_steadily(self) -> None:
        self._tell(Phase.WRITING, "steadily")
        began = time.monotonic()
        self._writer.start()
        deadline = began + self._timing.first_answer_limit
        while not self._writer.answered_since(began):
            if time.monotonic() >= deadline:
                errors = self._writer.stop().errors
                seen = max(errors, key=lambda error: errors[error], default=None)
                raise NotReady(
                    "no write was acknowledged within "
                    f"{self._timing.first_answer_limit:.0f} s"
                    + (f": {seen.message}" if seen else "")
                )
            self._stop.sleep(min(0.05, self._timing.poll))
        self._stop.sleep(self._timing.steady)

    def _break_and_heal(self) -> None:
        undo = ExitStack()
        try:
            self._fault.inject(self._scene(undo))
            self._broken_at = time.monotonic()
            self._hold()
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the platform raises fails the run
            self._failures.append(f"{self._fault.kind} could not be made: {error}")
        finally:
            self._heal(undo)

    def _scene(self, undo: ExitStack) -> Scene:
        return Scene(
            service=self._service,
            stop=self._stop,
            hold_seconds=self._fault.hold_seconds,
            breaking=self._breaking,
            undo=undo,
            inside=self._note_inside,
        )

    def _note_inside(self, writer: InsideWriter) -> None:
        self._inside = writer

    def _hold(self) -> None:
        if self._broken_at is None or self._fault.heal is Heal.BY_ITSELF:
            return
        deadline = self._broken_at + self._fault.hold_seconds
        while (left := deadline - time.monotonic()) > 0:
            self._tell(Phase.HOLDING, f"for {left:.0f} s more at most")
            self._stop.sleep(min(self._timing.poll, left))
            self._look()
            if self._fault.heal is Heal.ONCE_WRITING and self._writer.answered_since(
                self._broken_at
            ):
                return

    def _heal(self, undo: ExitStack) -> None:
        self._heal_at = time.monotonic()
        if self._fault.heal is not Heal.BY_ITSELF:
            self._tell(Phase.HEALING, "")
            self._marks.append((MarkKind.HEALING, self._heal_at, "healing begins"))
        try:
            undo.close()
        except Exception as error:  # noqa: BLE001 - the stack has run every other entry by now
            self._failures.append(f"healing failed: {error}")

    def _wait_until_recovered(self) -> float | None:
        """The monotonic time from which writing and health lasted, or None."""
        deadline = time.monotonic() + self._timing.recovery_limit
        good_since: float | None = None
        while True:
            began = time.monotonic()
            self._stop.sleep(self._timing.poll)
            status = self._look()
            good = status.healthy and self._writer.answered_since(began)
            good_since = (good_since or began) if good else None
            now = time.monotonic()
            if good_since is not None and now - good_since >= self._timing.settle:
                return good_since
            if now >= deadline:
                self._failures.append(
                    f"not recovered within {self._timing.recovery_limit:.0f} s: "
                    + ("" if self._writer.answered_since(began) else "no write is answered; ")
                    + describe(status)
                )
                return None
            self._tell(Phase.RECOVERING, describe(status))

    def _look(self) -> Status:
        status = self._service.status()
        if status.leader is not None and status.leader != self._leader:
            self._leader = status.leader
            self._marks.append((MarkKind.PROMOTION, time.monotonic(), status.leader))
        return status

    def _settle_inside(self) -> InsideAccount | None:
        if self._inside is None or self._broken_at is None:
            return None
        # It runs in a container, with the same clock but another way to read it.
        wall_clock = time.time() - time.monotonic()
        try:
            return settle_inside(
                self._inside.result(), self._broken_at + wall_clock, self._heal_at + wall_clock
            )
        except Exception as error:  # noqa: BLE001 - whatever the platform raises fails the run
            self._failures.append(f"what was written from inside is not known: {error}")
            return None

    def _read_back(self) -> list[tuple[int, int]] | None:
        self._tell(Phase.READING, "")
        try:
            return read_back(
                self._service.store,
                self._run_id,
                self._timing.read_back_limit,
                self._stop.sleep,
            )
        except StoreError as error:
            self._failures.append(f"the rows could not be read back: {error}")
            return None

    def _failovers(self) -> int | None:
        if not self._fault.must_keep_primary or self._broken_at is None:
            return None
        return sum(
            kind is MarkKind.PROMOTION and at <= self._heal_at for kind, at, _ in self._marks
        )

    def _unreplicated(self, journal: Journal) -> int | None:
        if not self._fault.must_block_commits or self._broken_at is None:
            return None
        # Sent as well as acknowledged in that time: an answer to a commit that a standby had
        # confirmed just before it died may still be on its way when the last one is gone.
        return sum(
            sent >= self._broken_at and acked <= self._heal_at
            for sent, acked in journal.sent_and_acknowledged()
        )

    def _breaking(self, label: str) -> None:
        self._tell(Phase.BREAKING, label)
        self._marks.append((MarkKind.INJECTION, time.monotonic(), label))

    def _tell(self, phase: Phase, detail: str) -> None:
        self._notify(
            Event(self._fault.kind, self._number, phase, detail, self._writer.acknowledged)
        )
