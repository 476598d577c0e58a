"""Harms the vault, or takes it away, and sees whether that is found out and everything is
recovered.

A kind is carried out on a `scene`; what belongs to one sort of harm only is in the module that
bears its name.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.drill.report import EXIT_INTERRUPTED
from cli.drill.stop import Interrupted, StopRequest
from cli.drill.store import Store
from cli.drill.target import Cluster
from cli.drill.vault_away import away
from cli.drill.vault_harm import harm, wrong_key
from cli.drill.vault_ransomware import ransomware
from cli.drill.vault_scene import Findings, VaultScene, VaultTiming
from cli.drill.vault_service import BackupService
from cli.errors import OperationFailed, UserError


@dataclass(frozen=True)
class VaultKind:
    """A kind of harm. `hold_seconds`: how long it lasts, where that is anybody's choice."""

    kind: str
    summary: str
    carry_out: Callable[[VaultScene], None]
    hold_seconds: float = 0.0


KINDS: dict[str, VaultKind] = {
    each.kind: each
    for each in (
        VaultKind("wrong-key", "a restore with another key than the backup's", wrong_key),
        VaultKind(
            "truncated-dump",
            "a logical dump in the vault loses its end",
            harm("truncate-dump", of_a_dump=True),
        ),
        VaultKind("missing-wal", "a WAL segment is gone from the vault", harm("missing-wal")),
        VaultKind("flipped-bit", "one bit of a backup in the vault is another", harm("flip")),
        VaultKind(
            "ransomware",
            "all that the system's own credentials can delete or overwrite",
            ransomware,
        ),
        VaultKind(
            "away", "the vault is gone for 60 s while clients write", away, hold_seconds=60.0
        ),
    )
}
"""From the gentlest to the roughest; `away` last, since it takes longest."""


@dataclass(frozen=True)
class VaultRun:
    """One kind, carried out once. See Findings; `failure` is None if nothing went wrong."""

    kind: str
    number: int
    started_at: datetime
    total_seconds: float
    findings: Findings

    @property
    def failure(self) -> str | None:
        found = self.findings
        reasons = list(found.failures)
        if not reasons and not found.found:
            reasons.append("the harm was not found")
        if not reasons and not found.named:
            reasons.append("the harm was found, and not named")
        if not reasons and not found.recovered:
            reasons.append("not everything was recovered")
        return "; ".join(reasons) or None

    def to_json(self) -> dict[str, Any]:
        """Keys are stable; seconds."""
        return {
            "kind": self.kind,
            "number": self.number,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "found": self.findings.found,
            "named": self.findings.named,
            "recovered": self.findings.recovered,
            "failure": self.failure,
            "total_seconds": round(self.total_seconds, 3),
            "seconds": self.findings.seconds,
            **self.findings.details,
        }


@dataclass
class VaultCampaign:
    """All runs of one call. `ended_early`: why planned runs did not take place."""

    stack: str
    runs_planned: int
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    runs: list[VaultRun] = field(default_factory=list)
    ended_early: str | None = None
    interrupted: bool = False

    @property
    def complaints(self) -> list[str]:
        """Everything that makes the drill a failure, one sentence each."""
        found = [
            f"{run.kind} run {run.number}: {run.failure}"
            for run in self.runs
            if run.failure is not None
        ]
        if self.ended_early and (not self.interrupted or self.ended_early != INTERRUPTED):
            found.append(
                f"the drill ended after {len(self.runs)} of {self.runs_planned} runs: "
                + self.ended_early
            )
        return found

    @property
    def exit_code(self) -> int:
        """1 if there is any complaint, 130 if it was interrupted, else 0."""
        if self.complaints:
            return 1
        return EXIT_INTERRUPTED if self.interrupted else 0

    def to_json(self) -> dict[str, Any]:
        """Keys are stable, and the same as other drills' where they mean the same."""
        kinds: dict[str, list[VaultRun]] = {}
        for run in self.runs:
            kinds.setdefault(run.kind, []).append(run)
        return {
            "service": "vault",
            "stack": self.stack,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "runs_planned": self.runs_planned,
            "runs": len(self.runs),
            "interrupted": self.interrupted,
            "ended_early": self.ended_early,
            "exit_code": self.exit_code,
            "complaints": self.complaints,
            "kinds": [
                {
                    "kind": kind,
                    "runs": len(runs),
                    "found": sum(run.findings.found for run in runs),
                    "named": sum(bool(run.findings.named) for run in runs),
                    "recovered": sum(run.findings.recovered for run in runs),
                    "seconds_max": max(round(run.total_seconds, 3) for run in runs),
                    "each_run": [run.to_json() for run in runs],
                }
                for kind, runs in kinds.items()
            ],
        }


INTERRUPTED = "it was interrupted; the run that was under way is not counted"


def run_vault_campaign(
    cluster: Cluster,
    service: BackupService,
    store: Store,
    kinds: Sequence[VaultKind],
    *,
    runs: int,
    clients: int,
    stop: StopRequest,
    tell: Callable[[str], None],
    timing: VaultTiming | None = None,
) -> VaultCampaign:
    """Carries out every kind `runs` times. What a run harmed is healed before the next, and
    before this returns; a run that failed is the last one.
    """
    campaign = VaultCampaign(cluster.stack, runs * len(kinds))
    planned = [(kind, number) for kind in kinds for number in range(1, runs + 1)]
    for kind, number in planned:
        findings = Findings()
        scene = VaultScene(
            cluster=cluster,
            service=service,
            store=store,
            stop=stop,
            tell=lambda step, kind=kind, number=number: tell(  # type: ignore[misc]
                f"{kind.kind} {number}/{runs}: {step}"
            ),
            hold_seconds=kind.hold_seconds,
            clients=clients,
            timing=timing or VaultTiming(),
            findings=findings,
        )
        started_at, began = datetime.now(UTC), time.monotonic()
        try:
            kind.carry_out(scene)
        except Interrupted:
            campaign.interrupted = True
            unhealed = "; ".join(findings.failures)
            campaign.ended_early = unhealed or INTERRUPTED
            return campaign
        except (OperationFailed, UserError) as error:
            findings.failures.append(str(error))
        run = VaultRun(kind.kind, number, started_at, time.monotonic() - began, findings)
        campaign.runs.append(run)
        tell(outcome(run))
        if run.failure is not None:
            if len(campaign.runs) < campaign.runs_planned:
                campaign.ended_early = f"{kind.kind} run {number} failed"
            break
    return campaign


def outcome(run: VaultRun) -> str:
    """One run in a line."""
    found = run.findings
    words = [
        "found" if found.found else "NOT FOUND",
        f"named ({found.named})" if found.named else "NOT NAMED",
        "recovered" if found.recovered else "NOT RECOVERED",
    ]
    details = found.details
    if "objects_before" in details:
        words.append(f"{details.get('objects_recovered')} of {details['objects_before']} objects")
    if "acked_while_away" in details:
        words.append(
            f"{details['acked_while_away']:,} commits meanwhile, longest gap "
            f"{details['longest_gap_seconds']:.2f} s, at most "
            f"{details['peak_waiting_bytes'] / 1024**2:.0f} MiB waiting"
        )
    line = f"{run.kind} {run.number}: {', '.join(words)}; {run.total_seconds:.1f} s"
    return line + (f"; FAILED: {run.failure}" if run.failure else "")


def help_lines(kinds: Mapping[str, VaultKind]) -> str:
    """Every kind and what it is, for --help."""
    return "\b\nKinds:\n" + "\n".join(
        f"  {kind.kind:<15} {kind.summary}" for kind in kinds.values()
    )
