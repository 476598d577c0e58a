"""Whether anybody watched, and whether those who were asked answered."""

import time
from collections.abc import Callable

# Ten looks in a row. A failover that happened in such a gap was not seen as it happened.
GAP_SECONDS = 10.0
# What had changed during a gap is found out within this time after it.
RESUME_SECONDS = 5.0

NOBODY_WATCHED = "while nobody watched"
NOBODY_ANSWERED = "while nobody answered"


class Attention:
    """One service's. Not safe to use from several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = self._answered = clock()
        self._excuse: str | None = None
        self._resumed = 0.0

    def look(self, answered: bool) -> None:
        """One look at one member. answered: it did."""
        moment = self._clock()
        if moment - self._looked > GAP_SECONDS:
            # This program itself was frozen.
            self._excuse, self._resumed = NOBODY_WATCHED, moment
            self._answered = moment
        elif answered and moment - self._answered > GAP_SECONDS:
            self._excuse, self._resumed = NOBODY_ANSWERED, moment
        self._looked = moment
        if answered:
            self._answered = moment

    def excuse(self) -> str | None:
        """Why a change found just now may be older than it looks; None: it is not."""
        if self._clock() - self._resumed <= RESUME_SECONDS:
            return self._excuse
        return None

    @property
    def silence_seconds(self) -> float:
        """Since when nobody answered."""
        return self._clock() - self._answered
