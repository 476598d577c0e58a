"""The vault is gone for a while: commits go on, WAL waits, and all of it arrives later."""

import json
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from cli.drill.account import settle
from cli.drill.journal import Journal
from cli.drill.outage import longest_silence
from cli.drill.store import StoreError, read_back
from cli.drill.vault_scene import Findings, VaultScene, moment
from cli.drill.vault_service import BACKUP, VAULT
from cli.drill.writer import Writer
from cli.errors import OperationFailed

ARCHIVER_FILE = "/var/lib/backup/archiver.json"
OK = "ok"
# A state that is older than this says nothing about now; it is written every few seconds.
SEEN_SECONDS = 30.0


@dataclass
class Watch:
    """What the archiver's state said while the vault was away, and until all had arrived.

    noticed_after: seconds until its state was no longer ok. The peaks are of WAL that waits, and
    of all WAL on the primary's disk, in bytes.
    """

    began: float
    noticed_after: float | None = None
    state: str = ""
    message: str = ""
    peak_segments: int = 0
    peak_waiting_bytes: int = 0
    peak_wal_bytes: int = 0
    looks: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    def note(self, archiver: dict[str, Any]) -> None:
        """One look at the state."""
        self.looks += 1
        self.last = archiver
        self.peak_segments = max(self.peak_segments, archiver.get("waiting_segments") or 0)
        self.peak_waiting_bytes = max(self.peak_waiting_bytes, archiver.get("waiting_bytes") or 0)
        self.peak_wal_bytes = max(self.peak_wal_bytes, archiver.get("wal_bytes") or 0)
        if self.noticed_after is None and archiver.get("state") not in (OK, None):
            self.noticed_after = round(time.monotonic() - self.began, 3)
            self.state = str(archiver["state"])
            self.message = str(archiver.get("message") or "")


def away(scene: VaultScene) -> None:
    """The kind."""
    with scene.step("closing WAL segments"):
        scene.switch_wal()
    try:
        scene.store.create()
    except StoreError as error:
        raise OperationFailed(f"the drill cannot write: {error}") from error
    try:
        _Away(scene).carry_out()
    finally:
        try:
            scene.store.drop()
        except StoreError as error:
            scene.findings.failures.append(f"{scene.store.name} could not be dropped ({error})")


class _Away:
    def __init__(self, scene: VaultScene) -> None:
        self._scene = scene
        self._timing = scene.timing
        self._findings: Findings = scene.findings
        self._run_id = f"away-{token_hex(4)}"
        self._writer = Writer(scene.store.ways(self._run_id, scene.clients))
        self._away_at = 0.0
        self._back_at = 0.0

    def carry_out(self) -> None:
        try:
            with self._scene.step("writing"):
                self._begin_writing()
            watch = self._vault_away()
            arrived = self._arrives(watch)
        finally:
            journal = self._writer.stop()
        self._note_commits(journal)
        self._note_watch(watch)
        with self._scene.step("switch-wal"):
            answer = self._scene.ask(BACKUP, "switch-wal")
        if answer.status:
            self._findings.failures.append(answer.failure())
        kept = self._rows_are_there(journal)
        self._findings.recovered = arrived and kept and answer.status == 0

    def _begin_writing(self) -> None:
        began = time.monotonic()
        self._writer.start()
        while not self._writer.answered_since(began):
            if time.monotonic() - began >= self._timing.first_answer_limit:
                raise OperationFailed(
                    "no commit was acknowledged within "
                    f"{self._timing.first_answer_limit:.0f} s: nothing was broken"
                )
            self._scene.stop.sleep(0.05)

    def _vault_away(self) -> Watch:
        scene = self._scene
        scene.stop.sleep(0)
        scene.tell(f"kill {VAULT}, for {scene.hold_seconds:.0f} s")
        self._away_at = time.monotonic()
        watch = Watch(self._away_at)
        try:
            scene.cluster.kill(VAULT)
            # So that something waits from the beginning.
            scene.service.close_segment()
            while (left := self._away_at + scene.hold_seconds - time.monotonic()) > 0:
                scene.stop.sleep(min(self._timing.poll, left))
                self._look(watch)
        finally:
            # In this order: an interrupt leaves the vault running.
            scene.cluster.start(VAULT)
            self._back_at = time.monotonic()
            self._findings.details["away_seconds"] = round(self._back_at - self._away_at, 3)
        return watch

    def _look(self, watch: Watch) -> None:
        try:
            watch.note(json.loads(self._scene.service.read(BACKUP, ARCHIVER_FILE)))
        except (OperationFailed, ValueError) as error:
            self._findings.details["state_unreadable"] = str(error)

    def _arrives(self, watch: Watch) -> bool:
        """Whether nothing waits any more within the time that may take."""
        limit = self._timing.arrival_limit + (self._back_at - self._away_at)
        with self._scene.step("waiting WAL arrives"):
            while True:
                self._look(watch)
                state = watch.last
                # What it says now must be about now: the file is written every few seconds.
                nothing_waits = state.get("state") == OK and state.get("waiting_segments") == 0
                if nothing_waits and self._is_recent(state):
                    self._findings.details["arrived_seconds"] = round(
                        time.monotonic() - self._back_at, 3
                    )
                    return True
                if time.monotonic() - self._back_at >= limit:
                    self._findings.failures.append(
                        f"{state.get('waiting_segments')} segments still wait {limit:.0f} s after "
                        f"the vault was back: {state.get('message') or state.get('state')}"
                    )
                    return False
                self._scene.stop.sleep(self._timing.poll)

    def _is_recent(self, state: dict[str, Any]) -> bool:
        """Whether it was written since the vault is back."""
        back_for = time.monotonic() - self._back_at
        return time.time() - moment(str(state["time"])).timestamp() < min(SEEN_SECONDS, back_for)

    def _note_commits(self, journal: Journal) -> None:
        acked_at = journal.acknowledged_at()
        meanwhile = [at for at in acked_at if self._away_at <= at <= self._back_at]
        gap = longest_silence([self._away_at, *meanwhile, self._back_at], self._away_at)
        self._findings.details["acked"] = len(acked_at)
        self._findings.details["acked_while_away"] = len(meanwhile)
        self._findings.details["longest_gap_seconds"] = round(gap.seconds, 3)
        if gap.seconds > self._timing.longest_gap:
            self._findings.failures.append(
                f"no commit was acknowledged for {gap.seconds:.1f} s while the vault was away"
            )

    def _note_watch(self, watch: Watch) -> None:
        findings, hold = self._findings, self._scene.hold_seconds
        findings.details |= {
            "noticed_seconds": watch.noticed_after,
            "peak_waiting_segments": watch.peak_segments,
            "peak_waiting_bytes": watch.peak_waiting_bytes,
            "peak_wal_bytes": watch.peak_wal_bytes,
        }
        if watch.noticed_after is not None:
            findings.named = f"{watch.state}: {watch.message}".rstrip(": ")
        elif watch.peak_segments:
            findings.named = f"{watch.peak_segments} segments waiting"
        findings.found = watch.peak_segments > 0
        if not findings.found:
            findings.failures.append("no WAL was seen to wait while the vault was away")
        limit = self._timing.noticed_limit
        late = watch.noticed_after is None or watch.noticed_after > limit
        if hold >= limit and late:
            findings.found = False
            findings.failures.append(
                f"the archiver's state did not say so within {limit:.0f} s: "
                f"{watch.last.get('state')} {watch.last.get('message') or ''}".rstrip()
            )

    def _rows_are_there(self, journal: Journal) -> bool:
        with self._scene.step("reading every row back"):
            try:
                rows = read_back(
                    self._scene.store,
                    self._run_id,
                    self._timing.read_back_limit,
                    self._scene.stop.sleep,
                )
            except StoreError as error:
                self._findings.failures.append(f"the rows could not be read back: {error}")
                return False
        account = settle(journal, rows)
        self._findings.details["lost"] = account.lost
        if account.lost:
            self._findings.failures.append(f"{account.lost} acknowledged rows are lost")
        return not account.lost
