"""How a drill is interrupted without leaving the cluster broken."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Someone asked the drill to stop. Raised only where the drill waits. Its text, if there is
    any, says what could not be healed.
    """


class StopRequest:
    """A request to stop, noticed at the next wait.

    A KeyboardInterrupt can strike between any two instructions, also in the middle of healing.
    A flag that only waits look at cannot: what was broken is always healed first.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Asks the drill to stop; safe to call from a signal handler and more than once."""
        self._requested.set()

    def sleep(self, seconds: float) -> None:
        """Waits that many seconds; raises Interrupted as soon as a stop is requested."""
        if self._requested.wait(max(0.0, seconds)):
            raise Interrupted


@contextmanager
def stop_on_signals(stop: StopRequest, tell: Callable[[], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C, a termination and a closed terminal request a stop.

    `tell` runs at each such signal, to say that healing comes first.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.request()
        tell()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
