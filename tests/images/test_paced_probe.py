"""A container that is ready is asked seldom; one that is not, as often as the platform asks."""

import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAUSE_SECONDS = 0.5


class Probe:
    """The script, with a directory of the test's instead of the container's own memory."""

    def __init__(self, directory: Path) -> None:
        text = (ROOT / "images/base/paced-probe").read_text()
        assert text.count("/dev/shm/") == 1
        assert text.count("/proc/1 ") == 1
        text = text.replace("/dev/shm/", f"{directory}/")
        self.first_process = directory / "first-process"
        self.first_process.touch()
        os.utime(self.first_process, (1, 1))
        self.script = directory / "paced-probe"
        self.script.write_text(text.replace("/proc/1 ", f"{self.first_process} "))
        self.answer = directory / "answer"
        self.says(0)

    def says(self, status: int) -> None:
        self.answer.write_text(f"exit {status}\n")

    def asked(self) -> tuple[int, bool]:
        """The exit status, and whether it waited first."""
        begin = time.monotonic()
        command = ["sh", str(self.script), str(PAUSE_SECONDS), "sh", str(self.answer)]
        status = subprocess.run(command, check=False).returncode
        return status, time.monotonic() - begin >= PAUSE_SECONDS


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def test_after_a_yes_it_waits_before_it_asks_again(probe: Probe) -> None:
    assert probe.asked()[0] == 0
    assert probe.asked() == (0, True)


def test_what_it_says_after_the_pause_is_how_things_are_then(probe: Probe) -> None:
    assert probe.asked()[0] == 0
    probe.says(7)
    assert probe.asked() == (7, True)


def test_after_a_no_the_next_call_asks_at_once(probe: Probe) -> None:
    probe.asked()
    probe.says(1)
    probe.asked()
    # Several, because a busy machine may take as long as the pause to start one.
    assert not all(probe.asked()[1] for _ in range(5))


def test_what_an_earlier_process_of_the_container_said_does_not_count(probe: Probe) -> None:
    probe.says(0)
    probe.asked()
    later = time.time() + 60
    os.utime(probe.first_process, (later, later))
    assert not all(probe.asked()[1] for _ in range(5))
