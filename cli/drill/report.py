"""What a campaign says about the cluster: numbers for each kind, and whether that is good."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.drill.journal import ClientError
from cli.drill.outage import BUCKET_SECONDS
from cli.drill.result import Campaign, RunResult

EXIT_INTERRUPTED = 130


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile by nearest rank: the smallest of `values` that at least `percent` % of
    them do not exceed. It is always a value that was measured, never one in between; of 20
    values p95 is the 19th. Raises ValueError on no values.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


@dataclass(frozen=True)
class Spread:
    """Outages of several runs, in seconds. Percentiles by nearest rank."""

    p50: float
    p95: float
    max: float


@dataclass(frozen=True)
class KindReport:
    """All runs of one kind taken together. Sums over the runs; `unverified` counts the runs
    whose rows could not be read back, which the sums of `lost` and `unknown_found` leave out.
    `unreplicated`: see RunResult.
    """

    kind: str
    runs: tuple[RunResult, ...]
    outage_seconds: Spread
    errors: dict[ClientError, int]
    acked: int
    lost: int
    unknown: int
    unknown_found: int
    unreplicated: int | None
    unverified: int
    recovered: int

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())


def by_kind(campaign: Campaign) -> list[KindReport]:
    """One report for each kind that was run at least once, in the order of the runs."""
    kinds = dict.fromkeys(run.kind for run in campaign.runs)
    return [_report(kind, [run for run in campaign.runs if run.kind == kind]) for kind in kinds]


def _report(kind: str, runs: list[RunResult]) -> KindReport:
    outages = [run.outage.seconds for run in runs]
    errors: Counter[ClientError] = Counter()
    for run in runs:
        errors.update(run.errors)
    unreplicated = [run.unreplicated for run in runs if run.unreplicated is not None]
    return KindReport(
        kind=kind,
        runs=tuple(runs),
        outage_seconds=Spread(percentile(outages, 50), percentile(outages, 95), max(outages)),
        errors=dict(errors.most_common()),
        acked=sum(run.acked for run in runs),
        lost=sum(run.lost or 0 for run in runs),
        unknown=sum(run.unknown for run in runs),
        unknown_found=sum(run.unknown_found or 0 for run in runs),
        unreplicated=sum(unreplicated) if unreplicated else None,
        unverified=sum(run.lost is None for run in runs),
        recovered=sum(run.recovered for run in runs),
    )


def complaints(campaign: Campaign) -> list[str]:
    """Everything that makes the drill a failure, one sentence each; empty if all is well."""
    found: list[str] = []
    for run in campaign.runs:
        name = f"{run.kind} run {run.number}"
        if run.lost:
            found.append(f"{name}: {run.lost} acknowledged rows are lost")
        if run.unreplicated:
            found.append(
                f"{name}: {run.unreplicated} commits were acknowledged while no standby was there"
            )
        if run.failure is not None:
            found.append(f"{name}: {run.failure}")
    if campaign.unhealed:
        found.append(f"the interrupted run: {campaign.unhealed}")
    if campaign.ended_early and not campaign.interrupted:
        found.append(
            f"the drill ended after {len(campaign.runs)} of {campaign.runs_planned} runs: "
            + campaign.ended_early
        )
    return found


def verdict(campaign: Campaign) -> int:
    """The exit code: 1 if there is any complaint, 130 if it was interrupted, else 0."""
    if complaints(campaign):
        return 1
    return EXIT_INTERRUPTED if campaign.interrupted else 0


def to_json(campaign: Campaign) -> dict[str, Any]:
    """The report as JSON values. Keys are stable; times are seconds, relative to the injection
    where their name does not say otherwise; a value that is not known is null.
    """
    return {
        "stack": campaign.stack,
        "started_at": campaign.started_at.isoformat(timespec="seconds"),
        "clients": campaign.clients,
        "runs_planned": campaign.runs_planned,
        "runs": len(campaign.runs),
        "interrupted": campaign.interrupted,
        "ended_early": campaign.ended_early,
        "leftover": campaign.leftover,
        "unhealed": campaign.unhealed,
        "exit_code": verdict(campaign),
        "complaints": complaints(campaign),
        "percentile_method": "nearest rank",
        "kinds": [_kind_to_json(kind) for kind in by_kind(campaign)],
    }


def _kind_to_json(kind: KindReport) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "runs": len(kind.runs),
        "recovered": kind.recovered,
        "outage_seconds": {
            "p50": _rounded(kind.outage_seconds.p50),
            "p95": _rounded(kind.outage_seconds.p95),
            "max": _rounded(kind.outage_seconds.max),
        },
        "errors": kind.error_count,
        "acked": kind.acked,
        "lost": kind.lost,
        "unknown": kind.unknown,
        "unknown_found": kind.unknown_found,
        "unreplicated": kind.unreplicated,
        "unverified": kind.unverified,
        "each_run": [_run_to_json(run) for run in kind.runs],
    }


def _run_to_json(run: RunResult) -> dict[str, Any]:
    return {
        "number": run.number,
        "run_id": run.run_id,
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "failure": run.failure,
        "recovered": run.recovered,
        "restored_after": None if run.restored_after is None else _rounded(run.restored_after),
        "primary_before": run.primary_before,
        "primary_after": run.primary_after,
        "outage_seconds": _rounded(run.outage.seconds),
        "outage_start": _rounded(run.outage.start),
        "outage_end": _rounded(run.outage.end),
        "acked": run.acked,
        "lost": run.lost,
        "unknown": run.unknown,
        "unknown_found": run.unknown_found,
        "unreplicated": run.unreplicated,
        "errors": [
            {"type": e.type, "sqlstate": e.sqlstate, "message": e.message, "count": count}
            for e, count in run.errors.items()
        ],
        "lost_rows": [
            {"client": row.client, "seq": row.seq, "acked_at": _rounded(row.acked_at)}
            for row in run.lost_rows
        ],
        "events": [
            {"kind": str(mark.kind), "at": _rounded(mark.at), "label": mark.label}
            for mark in run.marks
        ],
        "acked_per_bucket": {
            "start": _rounded(run.rate.start),
            "bucket_seconds": BUCKET_SECONDS,
            "counts": list(run.rate.counts),
        },
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def table(campaign: Campaign) -> Table:
    """One line a kind, at most 80 columns wide. Outages in seconds."""
    shown = Table(
        title=f"drill postgres, stack {campaign.stack}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    shown.add_column("\nkind", no_wrap=True)
    for heading in (
        "outage\np50 s",
        "\np95 s",
        "\nmax s",
        "\nerrors",
        "\nacked",
        "\nlost",
        "unknown\nfound",
        "\nhealed",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    for kind in by_kind(campaign):
        bad = kind.lost or kind.unverified
        shown.add_row(
            kind.kind,
            f"{kind.outage_seconds.p50:.2f}",
            f"{kind.outage_seconds.p95:.2f}",
            f"{kind.outage_seconds.max:.2f}",
            f"{kind.error_count:,}",
            f"{kind.acked:,}",
            # Rows that could not be read back may be lost as well.
            Text(f"{kind.lost:,}" + "?" * bool(kind.unverified), style="bold red" if bad else ""),
            f"{kind.unknown_found:,}",
            f"{kind.recovered}/{len(kind.runs)}",
        )
    return shown
