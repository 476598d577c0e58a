"""A run as one line of text: how fast writes were acknowledged, the outage, the events."""

import math

from rich.text import Text

from cli.drill.outage import finest_cells
from cli.drill.result import MarkKind, RunResult

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+#"

MARKS = {MarkKind.INJECTION: "↓", MarkKind.HEALING: "↑", MarkKind.PROMOTION: "★"}
ASCII_MARKS = {MarkKind.INJECTION: "!", MarkKind.HEALING: "^", MarkKind.PROMOTION: "*"}

OUTAGE, ASCII_OUTAGE = "░", "x"

LABEL_WIDTH = 40
"""Columns for what stands left and right of the line."""
LEAST_CELLS = 20


def strip(run: RunResult, width: int, *, unicode: bool) -> Text:
    """The line, `width` columns wide at most (but never narrower than it can be read).

    Each cell is a stretch of time whose height is its writes per second, relative to the
    fastest cell. An event takes the place of the cell in which it happened.
    """
    blocks = BLOCKS if unicode else ASCII_BLOCKS
    marks = MARKS if unicode else ASCII_MARKS
    start, end = span(run)
    cells = finest_cells(start, end, max(LEAST_CELLS, width - LABEL_WIDTH))
    cell_seconds = (end - start) / cells
    rates = run.rate.per_second(start, end, cells)
    fastest = max(rates) or 1.0
    line = []
    for index, per_second in enumerate(rates):
        middle = start + (index + 0.5) * cell_seconds
        if run.outage.start <= middle <= run.outage.end and per_second == 0:
            line.append((OUTAGE if unicode else ASCII_OUTAGE, "red"))
        else:
            line.append((blocks[math.ceil(per_second / fastest * (len(blocks) - 1))], "blue"))
    for mark in run.marks:
        index = min(cells - 1, max(0, int((mark.at - start) / cell_seconds)))
        line[index] = (marks[mark.kind], "bold")
    text = Text(f"{run.kind:>14} {run.number:>3} ", no_wrap=True)
    for character, style in line:
        text.append(character, style=style)
    text.append(f" {run.outage.seconds:.2f} s", style="bold")
    text.append(f", lost {'?' if run.lost is None else run.lost}")
    return text


def legend(*, unicode: bool) -> str:
    """What the signs in a strip mean."""
    marks = MARKS if unicode else ASCII_MARKS
    outage = OUTAGE if unicode else ASCII_OUTAGE
    events = "   ".join(f"{sign} {kind}" for kind, sign in marks.items())
    return f"height: writes/s   {outage} outage   {events}"


def span(run: RunResult) -> tuple[float, float]:
    """From when to when a picture of the run reaches, in seconds relative to the injection."""
    moments = [mark.at for mark in run.marks]
    return (
        min([run.rate.start, run.outage.start, *moments]),
        max([run.rate.end, run.outage.end, *moments]),
    )
