"""What the Sentinels say, made into events: each change of primary once, with its reason.

Every Sentinel announces every change, each at its own time: those that did not lead a failover
within a second of the promotion, the one that led it when all replicas follow, which may take its
whole time-out, and one that was cut off when it is back. What tells an old change from a new one is
the configuration epoch, which grows with each change and is the same on all Sentinels; so a
Sentinel that announces a change is asked for its epoch at once.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watch_events.attention import NOBODY_WATCHED, Attention
from watch_events.event import ABORTED, BEGAN, FAILOVER, REDIS, SWITCHOVER
from watch_events.journal import Journal
from watch_events.notes import Notes

# An attempt ends within twice Sentinel's failover-timeout; the longest that is sensible is 30 s.
ATTEMPT_SECONDS = 60.0
# Sentinels try again for as long as the primary is away: one event for all of that. Attempts on a
# primary that is well are a person's, and told again when they lie further apart than this.
REPEAT_SECONDS = 600.0

ABORTS = {
    "-failover-abort-no-good-slave": "no replica was fit to take over",
    "-failover-abort-not-elected": "no Sentinel was elected to carry it out",
    "-failover-abort-slave-timeout": "the replica chosen did not become primary in time",
}
PLANNED = "planned"
UNHEARD = "no Sentinel that was heard said why"


@dataclass(frozen=True)
class View:
    """What one Sentinel holds true. address: ip:port. flags: as SENTINEL MASTER gives them."""

    address: str
    epoch: int
    flags: frozenset[str] = frozenset()

    @property
    def settled(self) -> bool:
        """Not in the middle of a failover, where the new epoch stands beside the old address."""
        return "failover_in_progress" not in self.flags


@dataclass
class Attempt:
    """A failover that one Sentinel began. votes: how many thought the primary was down."""

    address: str
    begun: float
    planned: bool
    votes: int
    elected: bool = False


class RedisStory:
    """One replication group. Called by every Sentinel's thread.

    sentinels: their names. members: address without port → member's name.
    """

    def __init__(
        self,
        service: str,
        sentinels: tuple[str, ...],
        members: Mapping[str, str],
        journal: Journal,
        notes: Notes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._sentinels = sentinels
        self._members = members
        self._journal = journal
        self._notes = notes
        self._clock = clock
        self._lock = threading.Lock()
        self._attention = Attention(clock)
        self._views: dict[str, View] = {}
        # None until a majority of the Sentinels was heard.
        self._primary: str | None = None
        self._epoch = 0
        # (Sentinel, address): whom it finds down by itself, and whom by agreement of how many.
        self._doubts: set[tuple[str, str]] = set()
        self._verdicts: dict[tuple[str, str], int] = {}
        self._attempt: Attempt | None = None
        # Which failures of an attempt on the present primary are recorded, and when.
        self._aborted: dict[str, float] = {}

    # What the Sentinels' threads tell.

    def connected(self, sentinel: str, view: View) -> None:
        """A new subscription: what this Sentinel said before may no longer be so."""
        with self._lock:
            self._forget(sentinel)
            if "s_down" in view.flags:
                self._doubts.add((sentinel, view.address))
            if "o_down" in view.flags:
                self._verdicts[sentinel, view.address] = 0
            self._see(sentinel, view)

    def viewed(self, sentinel: str, view: View) -> None:
        """What it holds true, asked once a second."""
        with self._lock:
            self._see(sentinel, view)

    def lost(self, sentinel: str) -> None:
        """No answer, or no subscription."""
        with self._lock:
            self._attention.look(False)
            self._views.pop(sentinel, None)
            self._forget(sentinel)

    def said(self, sentinel: str, channel: str, payload: str, view: View | None = None) -> None:
        """One published message. view: what it holds true right after a +switch-master."""
        words = payload.split()
        with self._lock:
            self._attention.look(True)
            if channel == "+switch-master":
                if len(words) == 5 and words[0] == self._service and view is not None:
                    self._moved(sentinel, ":".join(words[1:3]), ":".join(words[3:5]), view)
            elif len(words) >= 4 and words[:2] == ["master", self._service]:
                self._about(sentinel, channel, ":".join(words[2:4]), words[4:])

    def health(self) -> dict[str, object]:
        """For GET /health."""
        with self._lock:
            return {
                "primary": self._primary and self._name(self._primary),
                "last_seen_seconds_ago": round(self._attention.silence_seconds, 1),
                "sentinels": {name: name in self._views for name in self._sentinels},
            }

    # How it is understood.

    def _see(self, sentinel: str, view: View) -> None:
        self._attention.look(True)
        self._views[sentinel] = view
        # It has moved on from what it said of another primary.
        self._forget(sentinel, keep=view.address)
        if not view.settled:
            return
        if self._primary is None:
            self._begin()
        elif view.epoch > self._epoch and view.address != self._primary:
            self._change(view.address, view.epoch)

    def _moved(self, sentinel: str, old: str, new: str, view: View) -> None:
        if self._primary is None:
            self._see(sentinel, view)
        elif view.epoch <= self._epoch:
            return
        elif view.address != new:
            # It has moved on while it was asked. That it passed through here is new only to one
            # who knows of nothing later than where it came from.
            if old == self._primary and new != self._primary:
                self._change(new, self._epoch)
        elif new == self._primary:
            self._epoch = view.epoch
        else:
            self._change(new, view.epoch)

    def _about(self, sentinel: str, channel: str, address: str, more: list[str]) -> None:
        key = (sentinel, address)
        if channel == "+sdown":
            self._doubts.add(key)
            self._count(address)
        elif channel == "-sdown":
            self._doubts.discard(key)
            if not self._doubts:
                self._aborted.clear()
        elif channel == "+odown":
            self._verdicts[key] = _votes(more)
            self._count(address)
        elif channel == "-odown":
            self._verdicts.pop(key, None)
        elif channel == "+reset-master":
            self._forget(sentinel)
        elif channel == "+try-failover":
            # Of its own accord a Sentinel tries only what it found down by agreement.
            planned = key not in self._verdicts
            self._attempt = Attempt(address, self._clock(), planned, self._agreed(address))
        elif channel == "+elected-leader":
            attempt = self._attempt_on(address)
            if attempt is not None:
                attempt.elected = True
        elif channel in ABORTS:
            self._abort(channel, address)

    def _begin(self) -> None:
        """The primary in office is the youngest a majority's members know; one may be behind."""
        settled = [view for view in self._views.values() if view.settled]
        if len(settled) <= len(self._sentinels) // 2:
            return
        youngest = max(settled, key=lambda view: view.epoch)
        self._primary, self._epoch = youngest.address, youngest.epoch
        name = self._name(youngest.address)
        last = self._journal.last(REDIS)
        if last is None:
            self._journal.add(
                REDIS, BEGAN, None, name, "the watch began", generation=youngest.epoch
            )
        elif last.new != name:
            self._journal.add(
                REDIS,
                FAILOVER,
                last.new,
                name,
                NOBODY_WATCHED,
                generation=youngest.epoch,
                seen_late=True,
            )

    def _change(self, new: str, epoch: int) -> None:
        old = self._primary
        assert old is not None
        kind, reason = self._reason(old)
        self._journal.add(
            REDIS,
            kind,
            self._name(old),
            self._name(new),
            reason,
            generation=epoch,
            seen_late=self._attention.excuse() is not None,
        )
        self._primary, self._epoch = new, epoch
        self._doubts.clear()
        self._verdicts.clear()
        self._attempt = None
        self._aborted.clear()

    def _reason(self, old: str) -> tuple[str, str]:
        attempt = self._attempt_on(old)
        meant = self._notes.take(REDIS, self._name(old))
        if meant or (attempt is not None and attempt.planned):
            return SWITCHOVER, PLANNED
        votes = max(attempt.votes if attempt else 0, self._agreed(old))
        if votes:
            agreed = f"{votes} of {len(self._sentinels)} Sentinels agreed"
            return FAILOVER, f"{self._name(old)} did not answer ({agreed})"
        return FAILOVER, self._attention.excuse() or UNHEARD

    def _abort(self, channel: str, address: str) -> None:
        attempt = self._attempt_on(address)
        if channel == "-failover-abort-not-elected" and attempt is not None and attempt.elected:
            # Another Sentinel carries it out.
            return
        if address != self._primary:
            return
        moment = self._clock()
        before = self._aborted.get(channel)
        if before is not None and (self._doubts or moment - before < REPEAT_SECONDS):
            return
        self._aborted[channel] = moment
        self._journal.add(REDIS, ABORTED, self._name(address), None, ABORTS[channel])

    def _attempt_on(self, address: str) -> Attempt | None:
        attempt = self._attempt
        if attempt is None or attempt.address != address:
            return None
        return attempt if self._clock() - attempt.begun <= ATTEMPT_SECONDS else None

    def _agreed(self, address: str) -> int:
        doubting = sum(1 for _, doubted in self._doubts if doubted == address)
        return max([doubting, *(n for (_, a), n in self._verdicts.items() if a == address)])

    def _count(self, address: str) -> None:
        """More may agree after an attempt began; fewer do once the old primary is back."""
        attempt = self._attempt_on(address)
        if attempt is not None:
            attempt.votes = max(attempt.votes, self._agreed(address))

    def _forget(self, sentinel: str, keep: str | None = None) -> None:
        """What a Sentinel said, but for what it said of one primary."""
        gone = {key for key in (*self._doubts, *self._verdicts) if key[0] == sentinel}
        gone.discard((sentinel, keep or ""))
        self._doubts -= gone
        for key in gone:
            self._verdicts.pop(key, None)

    def _name(self, address: str) -> str:
        return self._members.get(address.rpartition(":")[0], address)


def _votes(more: list[str]) -> int:
    """Of “#quorum 2/2”: how many agreed."""
    if len(more) == 2 and more[0] == "#quorum":
        votes = more[1].partition("/")[0]
        return int(votes) if votes.isdecimal() else 0
    return 0
