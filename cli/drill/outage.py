"""What the clients saw of the fault: the longest silence, and the rate around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BUCKET_SECONDS = 0.1


@dataclass(frozen=True)
class Outage:
    """A span of time without an acknowledged write, in seconds relative to the injection."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Rate:
    """Acknowledged writes per BUCKET_SECONDS; the first bucket begins `start` seconds after
    the injection (before it, when negative).
    """

    start: float
    counts: tuple[int, ...]

    @property
    def end(self) -> float:
        return self.start + len(self.counts) * BUCKET_SECONDS

    def per_second(self, start: float, end: float, cells: int) -> list[float]:
        """Writes per second in each of `cells` equal stretches from `start` to `end`, as the
        mean of the buckets whose middle lies in the stretch; 0 where there is none.
        """
        sums = [0] * cells
        buckets = [0] * cells
        for index, count in enumerate(self.counts):
            middle = self.start + (index + 0.5) * BUCKET_SECONDS
            cell = math.floor((middle - start) / (end - start) * cells)
            if 0 <= cell < cells:
                sums[cell] += count
                buckets[cell] += 1
        return [
            count / (number * BUCKET_SECONDS) if number else 0.0
            for count, number in zip(sums, buckets, strict=True)
        ]


def finest_cells(start: float, end: float, at_most: int) -> int:
    """How many equal cells to draw from `start` to `end` so that each holds a bucket: finer
    ones would show gaps between the buckets that were never there.
    """
    # The margin keeps a cell wider than a bucket whatever the rounding of the division.
    return max(1, min(at_most, math.floor((end - start) / BUCKET_SECONDS - 1e-6)))


def longest_silence(
    acked_at: Sequence[float], injected_at: float, silent_until: float | None = None
) -> Outage:
    """The longest time without an acknowledged write by any client.

    `acked_at`: monotonic seconds, sorted, at least one. It is measured between the first and
    the last of them; where the writing never came back, `silent_until` says until when the
    drill waited for it, and the outage is at least that long.
    """
    moments = list(acked_at) if silent_until is None else [*acked_at, silent_until]
    start, end = max(
        pairwise(moments),
        key=lambda span: span[1] - span[0],
        default=(moments[0], moments[0]),
    )
    return Outage(start - injected_at, end - injected_at)


def rate(acked_at: Sequence[float], injected_at: float) -> Rate:
    """How many writes were acknowledged in each bucket. `acked_at` as in longest_silence."""
    first = math.floor((acked_at[0] - injected_at) / BUCKET_SECONDS)
    last = math.floor((acked_at[-1] - injected_at) / BUCKET_SECONDS)
    counts = [0] * (last - first + 1)
    for moment in acked_at:
        counts[math.floor((moment - injected_at) / BUCKET_SECONDS) - first] += 1
    return Rate(first * BUCKET_SECONDS, tuple(counts))
