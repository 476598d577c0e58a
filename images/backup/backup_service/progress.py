"""How far a long job is, in bytes: told to whoever asked for it, and kept in a small file."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backup_service import state, times

# Often enough for an eye; a job reports thousands of times.
EMIT_SECONDS = 0.5
KEEP_SECONDS = 2.0

Emit = Callable[[dict[str, Any]], None]


def nowhere(event: dict[str, Any]) -> None:
    """For jobs that nobody watches."""


class Progress:
    """emit gets {"event": "progress", "what": str, "done": int, "total": int | None}.

    kept: a file with the same and the time, gone when the job is over.
    """

    def __init__(
        self,
        emit: Emit = nowhere,
        kept: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._kept = kept
        self._clock = clock
        self._said: tuple[str | None, int, int | None] = (None, 0, None)
        self._emitted = self._written = float("-inf")

    def report(self, what: str, done: int, total: int | None = None) -> None:
        """Bytes done, and of how many where that is known. Costs nothing when called too often."""
        now = self._clock()
        # A new step and the end of one are always told; what was said last is not said again.
        if (what, done, total) == self._said:
            return
        telling = what != self._said[0] or done == total
        self._said = (what, done, total)
        if telling or now - self._emitted >= EMIT_SECONDS:
            self._emitted = now
            self._emit({"event": "progress", "what": what, "done": done, "total": total})
        if self._kept is not None and (telling or now - self._written >= KEEP_SECONDS):
            self._written = now
            found = {"time": times.iso(times.now()), "what": what, "done": done, "total": total}
            self._save(found)

    def end(self) -> None:
        """Forgets what was kept."""
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)

    def _save(self, found: dict[str, Any]) -> None:
        assert self._kept is not None
        try:
            state.write(self._kept, found, lasting=False)
        except OSError:
            # A full disk must not end a backup for the sake of its progress.
            pass


def kept_for(data: Path, kind: str) -> Path:
    """Where the progress of a running job of this kind is kept."""
    return data / "progress" / f"{kind}.json"
