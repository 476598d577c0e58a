"""What Patroni says of each member, made into events: each change of primary once, with its reason.

The primary in office is the one on the youngest timeline: every promotion begins a new one, and a
primary that was cut off goes on claiming its office on the old one.
"""

import datetime
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from watch_events.attention import NOBODY_WATCHED, Attention
from watch_events.event import BEGAN, FAILOVER, POSTGRES, SWITCHOVER, Event, now, utc
from watch_events.journal import Journal
from watch_events.notes import Notes

# At the start a primary on an older timeline than the one recorded last is one that was cut off,
# unless nobody else turns up in this time: then the cluster was made anew.
PATIENCE_SECONDS = 30.0
# A member in one of these has its PostgreSQL in hand. All others are those of one that crashed too.
ORDERLY_STATES = ("stopping", "running", "streaming")


@dataclass(frozen=True)
class Answer:
    """One member about itself."""

    role: str
    state: str
    timeline: int | None

    @property
    def in_office(self) -> bool:
        """It claims to be a primary that runs."""
        return (
            self.role in ("primary", "master")
            and self.state == "running"
            and self.timeline is not None
        )


def read(found: Any) -> Answer:
    """Of GET /patroni. Raises ValueError for anything else."""
    if not isinstance(found, dict):
        raise ValueError("not what Patroni answers")
    timeline = found.get("timeline")
    return Answer(
        role=str(found.get("role", "")),
        state=str(found.get("state", "")),
        timeline=timeline if type(timeline) is int and timeline > 0 else None,
    )


class PostgresStory:
    """One cluster. Called by every member's thread.

    history: asks a member for Patroni's history; raises OSError or ValueError.
    """

    def __init__(
        self,
        members: tuple[str, ...],
        journal: Journal,
        notes: Notes,
        history: Callable[[str], Any],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], str] = now,
    ) -> None:
        self._members = members
        self._journal = journal
        self._notes = notes
        self._history = history
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._attention = Attention(clock)
        self._begun = clock()
        self._asked: set[str] = set()
        self._claims: dict[str, int] = {}
        # None until the primary in office is known.
        self._primary: str | None = None
        self._timeline = 0
        # What the first look at a primary that no longer was one found; None: it still is.
        self._failed: bool | None = None

    def heard(self, member: str, answer: Answer | None) -> None:
        """One look at one member, once a second. None: it did not answer."""
        with self._lock:
            self._attention.look(answer is not None)
            self._asked.add(member)
            if answer is not None and answer.in_office:
                assert answer.timeline is not None
                self._claims[member] = answer.timeline
                if self._primary is not None and answer.timeline > self._timeline:
                    self._take_office(member, answer.timeline)
            else:
                self._claims.pop(member, None)
            if self._primary is None:
                self._begin()
            elif member == self._primary:
                self._watch_primary(answer)

    def health(self) -> dict[str, object]:
        """For GET /health."""
        with self._lock:
            return {
                "primary": self._primary,
                "last_seen_seconds_ago": round(self._attention.silence_seconds, 1),
            }

    def _watch_primary(self, answer: Answer | None) -> None:
        if answer is not None and answer.in_office:
            self._failed = None
        elif self._failed is None:
            # What comes later says nothing: one that stepped down may stop, and one that crashed
            # comes back.
            self._failed = answer is None or answer.state not in ORDERLY_STATES

    def _begin(self) -> None:
        """Once every member was asked: who is in office, and what happened since the last event."""
        if not self._claims or len(self._asked) < len(self._members):
            return
        member = max(self._claims, key=lambda name: self._claims[name])
        timeline = self._claims[member]
        last = self._journal.last(POSTGRES)
        if last is None:
            self._journal.add(POSTGRES, BEGAN, None, member, "the watch began", generation=timeline)
        elif timeline < (last.generation or 0) and (self._clock() - self._begun < PATIENCE_SECONDS):
            return
        elif last.new != member or timeline > (last.generation or 0):
            self._catch_up(last, member, timeline, NOBODY_WATCHED)
        self._primary, self._timeline = member, timeline

    def _take_office(self, member: str, timeline: int) -> None:
        """A younger timeline: another primary, or the same that has promoted itself anew."""
        excuse = self._attention.excuse()
        last = self._journal.last(POSTGRES)
        if excuse is not None and last is not None:
            self._catch_up(last, member, timeline, excuse, since=self._timeline)
        elif member != self._primary:
            assert self._primary is not None
            kind, reason = self._reason(self._primary)
            self._journal.add(POSTGRES, kind, self._primary, member, reason, generation=timeline)
        self._primary, self._timeline, self._failed = member, timeline, None

    def _reason(self, old: str) -> tuple[str, str]:
        if self._notes.take(POSTGRES, old):
            return SWITCHOVER, "planned"
        if self._failed:
            return FAILOVER, f"{old} did not answer"
        return FAILOVER, f"{old} gave up its role"

    def _catch_up(
        self, last: Event, member: str, timeline: int, reason: str, since: int | None = None
    ) -> None:
        """Records each change since the last event, at its true time as Patroni kept it."""
        try:
            history = self._history(member)
        except (OSError, ValueError):
            history = []
        known = max(since or 0, last.generation or 0)
        old = last.new
        changes = [*missed(history, known, timeline), (self._wall(), member, timeline)]
        for moment, new, generation in changes:
            if new != old:
                self._journal.add(
                    POSTGRES,
                    FAILOVER,
                    old,
                    new,
                    reason,
                    generation=generation,
                    seen_late=True,
                    time=moment,
                )
                old = new


def missed(history: Any, known: int, present: int) -> Iterator[tuple[str, str, int]]:
    """(time, new primary, its timeline) of each promotion after timeline `known`, up to `present`.

    history: Patroni's list of [timeline that ended, LSN, reason, time, new primary]; entries of
    other versions and makers, which lack some of it, are left out.
    """
    for entry in history if isinstance(history, list) else ():
        if not isinstance(entry, list) or len(entry) < 5:
            continue
        ended, _, _, moment, leader = entry[:5]
        if type(ended) is not int or not isinstance(moment, str) or not isinstance(leader, str):
            continue
        if known <= ended < present:
            try:
                yield utc(datetime.datetime.fromisoformat(moment)), leader, ended + 1
            except ValueError:
                continue
