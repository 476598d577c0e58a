"""What a campaign says about the cluster: numbers for each kind, and whether that is good."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.drill.journal import ClientError
from cli.drill.outage import BUCKET_SECONDS
from cli.drill.result import Campaign, PathResult, RunResult

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
    """Seconds, one value a run. Percentiles by nearest rank."""

    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError on no values."""
        return cls(percentile(values, 50), percentile(values, 95), max(values))


@dataclass(frozen=True)
class PathReport:
    """One way in, in all runs of a kind. `latencies`: see PathResult; of all rows of all runs."""

    outage_seconds: Spread
    latencies: tuple[float, ...]


@dataclass(frozen=True)
class KindReport:
    """All runs of one kind taken together. Sums over the runs; `unverified` counts the runs
    whose rows could not be read back, which the sums of `lost` and `unknown_found` leave out.
    `unreplicated`, `failovers`: see RunResult. `inside_accepted` and `accepted_after_cut_seconds`:
    see InsideAccount; None if no run asked.
    """

    kind: str
    runs: tuple[RunResult, ...]
    outage_seconds: Spread
    paths: Mapping[str, PathReport]
    errors: dict[ClientError, int]
    acked: int
    lost: int
    unknown: int
    unknown_found: int
    unreplicated: int | None
    failovers: int | None
    inside_accepted: int | None
    accepted_after_cut_seconds: Spread | None
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
    errors: Counter[ClientError] = Counter()
    for run in runs:
        errors.update(run.errors)
    inside = [run.inside for run in runs if run.inside is not None]
    return KindReport(
        kind=kind,
        runs=tuple(runs),
        outage_seconds=Spread.of([run.outage.seconds for run in runs]),
        paths={path: _path_report([run.paths[path] for run in runs]) for path in runs[0].paths},
        errors=dict(errors.most_common()),
        acked=sum(run.acked for run in runs),
        lost=sum(run.lost or 0 for run in runs),
        unknown=sum(run.unknown for run in runs),
        unknown_found=sum(run.unknown_found or 0 for run in runs),
        unreplicated=_sum_of_known([run.unreplicated for run in runs]),
        failovers=_sum_of_known([run.failovers for run in runs]),
        inside_accepted=_sum_of_known([account.accepted for account in inside]),
        accepted_after_cut_seconds=Spread.of([a.last for a in inside]) if inside else None,
        unverified=sum(run.lost is None for run in runs),
        recovered=sum(run.recovered for run in runs),
    )


def _path_report(runs: list[PathResult]) -> PathReport:
    return PathReport(
        outage_seconds=Spread.of([run.outage.seconds for run in runs]),
        latencies=tuple(latency for run in runs for latency in run.latencies),
    )


def _sum_of_known(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def complaints(campaign: Campaign) -> list[str]:
    """Everything that makes the drill a failure, one sentence each; empty if all is well."""
    found: list[str] = []
    for run in campaign.runs:
        name = f"{run.kind} run {run.number}"
        if run.lost and campaign.keeps_acknowledged:
            found.append(f"{name}: {run.lost} acknowledged rows are lost")
        if run.unreplicated:
            found.append(
                f"{name}: {run.unreplicated} commits were acknowledged while no standby was there"
            )
        if run.failovers:
            found.append(f"{name}: the primary changed {run.failovers} times while it must not")
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
    where their name does not say otherwise; a value that is not known is null. Latencies are of
    rows acknowledged before the injection; `sqlstate` is whatever code the server gave.
    """
    return {
        "service": campaign.service,
        "wait": campaign.wait,
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
        "outage_seconds": _spread_to_json(kind.outage_seconds),
        "outage_seconds_by_path": {
            path: _spread_to_json(seen.outage_seconds) for path, seen in kind.paths.items()
        },
        "latency_ms_by_path": {
            path: {
                "p50": _milliseconds(percentile(seen.latencies, 50)),
                "p99": _milliseconds(percentile(seen.latencies, 99)),
            }
            for path, seen in kind.paths.items()
            if seen.latencies
        },
        "errors": kind.error_count,
        "acked": kind.acked,
        "lost": kind.lost,
        "unknown": kind.unknown,
        "unknown_found": kind.unknown_found,
        "unreplicated": kind.unreplicated,
        "failovers": kind.failovers,
        "inside_accepted": kind.inside_accepted,
        "accepted_after_cut_seconds": None
        if kind.accepted_after_cut_seconds is None
        else _spread_to_json(kind.accepted_after_cut_seconds),
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
        "outage_seconds_by_path": {
            path: _rounded(seen.outage.seconds) for path, seen in run.paths.items()
        },
        "acked": run.acked,
        "lost": run.lost,
        "unknown": run.unknown,
        "unknown_found": run.unknown_found,
        "unreplicated": run.unreplicated,
        "failovers": run.failovers,
        "inside_accepted": run.inside and run.inside.accepted,
        "accepted_after_cut_seconds": run.inside and _rounded(run.inside.last),
        "errors": [
            {"type": e.type, "sqlstate": e.code, "message": e.message, "count": count}
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


def _spread_to_json(spread: Spread) -> dict[str, float]:
    return {
        "p50": _rounded(spread.p50),
        "p95": _rounded(spread.p95),
        "max": _rounded(spread.max),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def table(campaign: Campaign) -> Table:
    """One line a kind, and one a path where there are several; at most 80 columns wide. Outages
    in seconds.
    """
    shown = Table(
        title=campaign.title,
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
        shown.add_row(
            kind.kind,
            *_seconds(kind.outage_seconds),
            f"{kind.error_count:,}",
            f"{kind.acked:,}",
            # Rows that could not be read back may be lost as well.
            Text(
                f"{kind.lost:,}" + "?" * bool(kind.unverified),
                style=_style_of_loss(campaign, kind),
            ),
            f"{kind.unknown_found:,}",
            f"{kind.recovered}/{len(kind.runs)}",
        )
        if len(kind.paths) > 1:
            for path, seen in kind.paths.items():
                shown.add_row(f"  {path}", *_seconds(seen.outage_seconds), style="dim")
    return shown


def _seconds(spread: Spread) -> list[str]:
    return [f"{value:.2f}" for value in (spread.p50, spread.p95, spread.max)]


def _style_of_loss(campaign: Campaign, kind: KindReport) -> str:
    if kind.unverified or (kind.lost and campaign.keeps_acknowledged):
        return "bold red"
    return "bold yellow" if kind.lost else ""


def notes(campaign: Campaign) -> list[str]:
    """What the table has no room for, one line each."""
    found: list[str] = []
    for kind in by_kind(campaign):
        latencies = [
            f"{path} p50 {_milliseconds(percentile(seen.latencies, 50))} ms, "
            f"p99 {_milliseconds(percentile(seen.latencies, 99))} ms"
            for path, seen in kind.paths.items()
            if seen.latencies
        ]
        if latencies:
            found.append(f"{kind.kind}: a write before the fault took {'; '.join(latencies)}")
        if kind.accepted_after_cut_seconds is not None:
            found.append(
                f"{kind.kind}: the primary that was cut off accepted its last write at most "
                f"{kind.accepted_after_cut_seconds.max:.2f} s after the cut, and "
                f"{kind.inside_accepted:,} in all, gone when it rejoined"
            )
        if kind.failovers is not None:
            found.append(f"{kind.kind}: {kind.failovers} changes of primary while it held")
    return found
