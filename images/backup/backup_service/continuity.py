"""Whether the WAL from a backup to the newest there is lies in the vault without a gap."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backup_service.recover import RecoverFailed
from backup_service.segments import segment_name, segment_number
from backup_service.storage import Storage
from backup_service.timelines import switches

# Several segments are on their way at once, and a later one may be there first.
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 10.0
MOST_NAMED = 5

# 0000000100000000/0000000100000000000000A3-<sha1>.zst; the same with .partial or .backup is
# something else.
_SEGMENT = re.compile(r"[0-9A-F]{16}/([0-9A-F]{24})-([0-9a-f]{40})(?:\.\w+)?")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history.*")


@dataclass(frozen=True, slots=True)
class Archived:
    """A segment that is there. sha1: of what it holds, in hexadecimal, by its name."""

    name: str
    sha1: str


@dataclass(frozen=True, slots=True)
class Continuity:
    """first, last: segments looked for, both included; count: how many. there: those that are,
    missing: names of those that are not; both in the order of replay.
    """

    first: str
    last: str
    count: int
    there: tuple[Archived, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.count} segments, {self.first} to {self.last}, none missing"
        names = ", ".join(self.missing[:MOST_NAMED])
        more = (
            f" and {len(self.missing) - MOST_NAMED} more" if len(self.missing) > MOST_NAMED else ""
        )
        if len(self.missing) == 1:
            return f"WAL segment {names} is missing in the vault"
        return f"WAL segments {names}{more} are missing in the vault"


def check(
    vault: Storage,
    folder: str,
    start: str,
    segment_bytes: int,
    history: Callable[[int], str],
    sleep: Callable[[float], None] = time.sleep,
) -> Continuity:
    """Looks from the segment `start` to the newest of the newest timeline.

    folder: of the archive in the vault, with a slash at its end. segment_bytes: how long each is.
    history: the text of a timeline's history file. What is missing is looked for again for a
    minute. Raises RecoverFailed when the backup is not on the way to the newest timeline, and what
    the vault and `history` raise.
    """
    for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
        found = _check(vault, folder, start, segment_bytes, history)
        if not found.missing:
            return found
        sleep(LOOK_SECONDS)
    return _check(vault, folder, start, segment_bytes, history)


def _check(
    vault: Storage, folder: str, start: str, size: int, history: Callable[[int], str]
) -> Continuity:
    segments: dict[tuple[int, int], str] = {}
    timelines: set[int] = set()
    # Names sort as they are replayed, and those before the backup's folder are not needed.
    for each in vault.list(folder, after=f"{folder}{start[:16]}/"):
        name = each.key.removeprefix(folder)
        if found := _SEGMENT.fullmatch(name):
            segments[segment_number(found[1], size)] = found[2]
        elif found := _HISTORY.fullmatch(name):
            timelines.add(int(found[1], 16))
    first_timeline, first = segment_number(start, size)
    newest = max(timelines | {timeline for timeline, _ in segments} | {first_timeline})
    way = [] if newest == first_timeline else switches(history(newest))
    in_segments = [(timeline, lsn // size) for timeline, lsn in way]
    stretches = list(_stretches(first_timeline, first, newest, in_segments, segments))
    wanted = [
        (timeline, number) for timeline, begin, end in stretches for number in range(begin, end)
    ]
    return Continuity(
        first=start,
        last=segment_name(*wanted[-1], size) if wanted else start,
        count=len(wanted),
        there=tuple(
            Archived(segment_name(*each, size), segments[each])
            for each in wanted
            if each in segments
        ),
        missing=tuple(segment_name(*each, size) for each in wanted if each not in segments),
    )


def _stretches(
    timeline: int,
    number: int,
    newest: int,
    way: list[tuple[int, int]],
    segments: Iterable[tuple[int, int]],
) -> Iterable[tuple[int, int, int]]:
    """(timeline, first, last + 1) of the segments that replay takes, in order.

    way: (timeline, the segment in which it was left) of the newest one's ancestors.
    """
    if timeline != newest:
        left = next((end for each, end in way if each == timeline), None)
        if left is None or left < number:
            raise RecoverFailed(
                f"the newest backup, on timeline {timeline}, is not on the way to timeline "
                f"{newest}, the newest: take a new one with `selfmonitor backup now --kind full`"
            )
        later = [(each, end) for each, end in way if each >= timeline]
        for each, end in later:
            yield each, number, end
            # The segment in which a timeline is left is on the next one whole.
            number = end
    # None: it began a moment ago, and nothing of it can be asked for yet.
    last = max((each for line, each in segments if line == newest), default=number - 1)
    yield newest, number, last + 1
