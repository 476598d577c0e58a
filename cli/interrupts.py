"""Ctrl-C that is heard."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Longer than it takes to leave what was interrupted.
AGAIN_SECONDS = 1.0


@contextmanager
def insistent() -> Iterator[None]:
    """Within it an interrupt is repeated until it has ended the block.

    Python raises KeyboardInterrupt wherever it happens to be. If that is a finalizer or a callback
    of a library, it is printed and forgotten, and what waits for a server waits on.
    """
    # Whoever runs it in the background may have chosen that it hears none.
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if deaf or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGALRM)}
    for each in before:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in before.items():
            signal.signal(each, handler)
