"""An interrupt that somebody else swallows comes again."""

import os
import signal
import threading
import time

import pytest

from cli import interrupts
from cli.interrupts import insistent


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "AGAIN_SECONDS", 0.05)


def swallow() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        pass


def test_one_that_was_swallowed_comes_again() -> None:
    def wait() -> None:
        with insistent():
            swallow()
            time.sleep(5)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert time.monotonic() - begun < 4


def test_afterwards_all_is_as_before() -> None:
    def wait() -> None:
        with insistent():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)) == before
    # Nothing rings any more.
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_than_the_main_one_takes_no_signals() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def go() -> None:
        with insistent():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    assert seen == [before]
