"""What an operator's command said it is about to do, so that a change is known to be meant."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from watch_events.event import SWITCHOVER

# A switchover ends, one way or another, in half of this.
NOTE_SECONDS = 120.0


class Notes:
    """At most one a member, in memory. members: by service."""

    def __init__(
        self,
        members: Mapping[str, Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._members = members
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[tuple[str, str], float] = {}

    def leave(self, note: Any) -> None:
        """note: {"service", "kind": "switchover", "old"}. Raises ValueError for anything else."""
        if not isinstance(note, dict):
            raise ValueError("a note is an object")
        service, old = note.get("service"), note.get("old")
        if not isinstance(service, str) or service not in self._members:
            raise ValueError(f"service: there are {', '.join(self._members)}")
        if note.get("kind") != SWITCHOVER:
            raise ValueError(f"kind: only {SWITCHOVER}")
        if not isinstance(old, str) or old not in self._members[service]:
            raise ValueError(f"old: there are {', '.join(self._members[service])}")
        with self._lock:
            self._left[service, old] = self._clock()

    def take(self, service: str, old: str) -> bool:
        """Whether a switchover away from this primary was announced; the note is used up."""
        with self._lock:
            left = self._left.pop((service, old), None)
        return left is not None and self._clock() - left <= NOTE_SECONDS
