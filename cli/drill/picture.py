"""A campaign as an SVG: one lane a run, so that outages can be compared at a glance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cli.drill.outage import finest_cells
from cli.drill.report import KindReport, by_kind
from cli.drill.result import Campaign, Mark, RunResult
from cli.drill.strip import span

SUFFIX = ".svg"

WIDTH = 1000
LEFT, RIGHT = 70, 150
"""Margins that hold a lane's number and its result."""
PLOT = WIDTH - LEFT - RIGHT
TOP = 76
LANE, LANE_GAP = 34, 6
SECTION_HEAD, SECTION_FOOT = 44, 46
CELLS = PLOT // 3
WIDE_ENOUGH_FOR_A_LABEL = 52
TICKS_AT_MOST = 14


@dataclass(frozen=True)
class _Scale:
    """Seconds from the left edge to the right, and the writes/s that fill a lane."""

    start: float
    end: float
    fastest: float

    def x(self, seconds: float) -> float:
        """The pixel of a moment."""
        return LEFT + PLOT * (seconds - self.start) / (self.end - self.start)


@dataclass(frozen=True)
class _Lane:
    """One run, in pixels. `area` is the path of its writes per second."""

    run: RunResult
    top: float
    bottom: float
    area: str
    outage_x: float
    outage_width: float
    label: str
    label_x: float
    label_inside: bool
    marks: tuple[tuple[float, Mark], ...]


@dataclass(frozen=True)
class _Section:
    """All runs of one kind, on one scale. `ticks`: pixel and seconds."""

    report: KindReport
    top: float
    bottom: float
    lanes: tuple[_Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    fastest: float


def svg(campaign: Campaign) -> str:
    """The picture as the text of an SVG file. The time axis is seconds from the injection."""
    sections: list[_Section] = []
    top = float(TOP)
    for report in by_kind(campaign):
        section = _section(report, top)
        sections.append(section)
        top = section.bottom + SECTION_FOOT
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("timeline.svg.j2").render(
        campaign=campaign,
        sections=sections,
        width=WIDTH,
        height=top,
        left=LEFT,
        right=WIDTH - RIGHT,
    )


def _section(report: KindReport, top: float) -> _Section:
    spans = [span(run) for run in report.runs]
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    cells = finest_cells(start, end, CELLS)
    rates = [run.rate.per_second(start, end, cells) for run in report.runs]
    scale = _Scale(start, end, fastest=max(max(rate) for rate in rates) or 1.0)
    lanes = []
    bottom = top + SECTION_HEAD
    for run, rate in zip(report.runs, rates, strict=True):
        lanes.append(_lane(run, rate, bottom, scale))
        bottom += LANE + LANE_GAP
    ticks = tuple((scale.x(tick), f"{tick:g}") for tick in _ticks(start, end))
    return _Section(report, top, bottom, tuple(lanes), ticks, scale.fastest)


def _lane(run: RunResult, rate: Sequence[float], top: float, scale: _Scale) -> _Lane:
    bottom = top + LANE
    step = PLOT / len(rate)
    # Steps, not slopes: a slope into an outage would show writes that were not there.
    path = [f"M{LEFT} {bottom:.1f}"]
    for index, per_second in enumerate(rate):
        y = bottom - LANE * per_second / scale.fastest
        path.append(f"L{LEFT + index * step:.1f} {y:.1f}H{LEFT + (index + 1) * step:.1f}")
    path.append(f"V{bottom:.1f}Z")
    outage_x = scale.x(run.outage.start)
    outage_width = scale.x(run.outage.end) - outage_x
    inside = outage_width >= WIDE_ENOUGH_FOR_A_LABEL * (2 if len(run.paths) > 1 else 1)
    return _Lane(
        run=run,
        top=top,
        bottom=bottom,
        area="".join(path),
        outage_x=outage_x,
        outage_width=outage_width,
        label=f"{run.outage.seconds:.2f} s" + f", {run.worst_path}" * (len(run.paths) > 1),
        label_x=outage_x + outage_width / 2 if inside else outage_x + outage_width + 4,
        label_inside=inside,
        marks=tuple((scale.x(mark.at), mark) for mark in run.marks),
    )


def _ticks(start: float, end: float) -> list[float]:
    """Round numbers of seconds between start and end, not more than fit."""
    steps = (digit * 10.0**power for power in range(-1, 6) for digit in (1, 2, 5))
    too_small = takewhile(lambda step: (end - start) / step > TICKS_AT_MOST, steps)
    *_, largest_too_small = (0.0, *too_small)
    if not largest_too_small:
        step = 0.1
    else:
        digit = round(largest_too_small / 10 ** math.floor(math.log10(largest_too_small) + 1e-9))
        step = largest_too_small * {1: 2.0, 2: 2.5, 5: 2.0}[digit]
    first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
    return [round(n * step, 3) for n in range(first, last + 1)]
