"""supervise, with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "images" / "base" / "supervise"
PATIENCE = 10.0

# Runs the script's own main with short intervals, in a process of its own.
RUNNER = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("supervise", {script!r})
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("supervise", loader))
sys.dont_write_bytecode = True
loader.exec_module(module)
module.WATCH_INTERVAL_SECONDS = {interval}
module.STOP_SECONDS = {stop}
module.FIRST_STOP_SECONDS = {stop}
module.FIRST_PAUSE_SECONDS = 0.05
sys.exit(module.main({configuration!r}))
"""

SERVES = (
    "trap 'echo term >> {0}; exit 0' TERM; trap 'echo hup >> {0}' HUP; "
    "echo up >> {0}; while :; do sleep 0.02; done"
)
STUBBORN = "trap '' TERM; echo up >> {0}; while :; do sleep 0.02; done"
ENDS = "echo up >> {0}; sleep 0.1; exit {1}"


class Supervised:
    """A supervisor under test; each process writes what happens to it into a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watched = folder / "watched"
        self.watched.mkdir()
        self.processes: list[dict[str, Any]] = []
        self.running: subprocess.Popen[str] | None = None

    def add(self, name: str, text: str, *more: Any, reload_signal: str | None = "SIGHUP") -> None:
        log = self.folder / f"{name}.log"
        log.touch()
        process = {"name": name, "command": ["/bin/sh", "-c", text.format(log, *more)]}
        self.processes.append(process | ({"reload_signal": reload_signal} if reload_signal else {}))

    def started_again(self, name: str) -> None:
        """A process that was added is started again when it ends."""
        (process,) = [each for each in self.processes if each["name"] == name]
        process["restart"] = True

    def stops_first(self, name: str, number: str = "SIGTERM") -> None:
        """A process that was added is asked to stop before the others, by this signal."""
        (process,) = [each for each in self.processes if each["name"] == name]
        process |= {"stops_first": True, "stop_signal": number}

    def start(self, *, interval: float = 0.05, stop: float = 5.0) -> None:
        configuration = self.folder / "processes.json"
        configuration.write_text(
            json.dumps({"watch": str(self.watched), "processes": self.processes})
        )
        text = RUNNER.format(
            script=str(SCRIPT), interval=interval, stop=stop, configuration=str(configuration)
        )
        self.running = subprocess.Popen(
            [sys.executable, "-c", text], stderr=subprocess.PIPE, text=True
        )

    def log(self, name: str) -> list[str]:
        return (self.folder / f"{name}.log").read_text().split()

    def wait_for(self, name: str, word: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.log(name).count(word) < times:
            assert time.monotonic() < deadline, f"{name} never said {word}"
            time.sleep(0.01)

    def finish(self) -> tuple[int, str]:
        """Exit status and what it said."""
        assert self.running is not None
        _, said = self.running.communicate(timeout=PATIENCE)
        return self.running.returncode, said

    def end(self, number: int) -> tuple[int, str]:
        assert self.running is not None
        self.running.send_signal(number)
        return self.finish()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    found = Supervised(tmp_path)
    yield found
    if found.running is not None and found.running.poll() is None:
        found.running.terminate()
        found.running.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_stops_all_and_ends_well(supervised: Supervised, number: int) -> None:
    for name in ("one", "two"):
        supervised.add(name, SERVES)
    supervised.start()
    for name in ("one", "two"):
        supervised.wait_for(name, "up")
    status, _ = supervised.end(number)
    assert status == 0
    assert supervised.log("one") == supervised.log("two") == ["up", "term"]


# Ends what it has begun, and sees whether the other is still there meanwhile.
FINISHES = (
    "trap 'sleep 0.2; cat {1} >> {0}; echo done >> {0}; exit 0' INT; "
    "echo up >> {0}; while :; do sleep 0.02; done"
)


def test_who_stops_first_ends_its_work_while_the_others_run(supervised: Supervised) -> None:
    supervised.add("needed", SERVES)
    supervised.add("first", FINISHES, supervised.folder / "needed.log")
    supervised.stops_first("first", "SIGINT")
    supervised.start()
    for name in ("needed", "first"):
        supervised.wait_for(name, "up")
    status, said = supervised.end(signal.SIGTERM)
    assert status == 0
    assert supervised.log("first") == ["up", "up", "done"], "the other had not been asked yet"
    assert supervised.log("needed") == ["up", "term"]
    assert said.index("first ended") < said.index("needed ended")


def test_who_stops_first_and_does_not_holds_up_nobody_for_ever(supervised: Supervised) -> None:
    supervised.add("needed", SERVES)
    supervised.add("first", STUBBORN)
    supervised.stops_first("first")
    supervised.start(stop=0.3)
    for name in ("needed", "first"):
        supervised.wait_for(name, "up")
    status, said = supervised.end(signal.SIGTERM)
    assert status == 0
    assert "first did not stop within" in said
    assert supervised.log("needed") == ["up", "term"]


@pytest.mark.parametrize(("code", "status"), [(3, 3), (0, 1)])
def test_when_one_ends_the_others_are_stopped_and_it_fails(
    supervised: Supervised, code: int, status: int
) -> None:
    supervised.add("stays", SERVES)
    supervised.add("ends", ENDS, code)
    supervised.start()
    supervised.wait_for("stays", "up")
    found, said = supervised.finish()
    assert found == status
    assert f"supervise: ends ended with status {code}" in said
    assert supervised.log("stays")[-1] == "term"


def test_a_process_that_was_killed_counts_as_a_shell_would(supervised: Supervised) -> None:
    supervised.add("killed", "kill -9 $$")
    supervised.start()
    status, said = supervised.finish()
    assert status == 137
    assert "killed ended with status 137" in said


def test_a_program_that_is_not_there_is_named(supervised: Supervised) -> None:
    supervised.processes.append({"name": "ghost", "command": ["/no/such/program"]})
    supervised.start()
    status, said = supervised.finish()
    assert status == 127
    assert "cannot run /no/such/program" in said


def test_one_that_does_not_stop_is_killed_and_named(supervised: Supervised) -> None:
    supervised.add("stubborn", STUBBORN)
    supervised.start(stop=0.3)
    supervised.wait_for("stubborn", "up")
    status, said = supervised.end(signal.SIGTERM)
    assert status == 0
    assert "stubborn did not stop within" in said


def test_a_changed_file_reloads_those_that_can_and_names_the_file(supervised: Supervised) -> None:
    (supervised.watched / "tls.crt").write_text("old")
    supervised.add("reloads", SERVES)
    supervised.add("does-not", SERVES, reload_signal=None)
    supervised.start()
    supervised.wait_for("reloads", "up")
    supervised.wait_for("does-not", "up")
    (supervised.watched / "tls.crt").write_text("newer")
    supervised.wait_for("reloads", "hup")
    _, said = supervised.end(signal.SIGTERM)
    assert "tls.crt changed: reloading reloads" in said
    assert supervised.log("reloads").count("hup") == 1
    assert "hup" not in supervised.log("does-not")


def test_orphans_that_processes_leave_do_not_end_it(supervised: Supervised) -> None:
    supervised.add("parent", "(sleep 0.05; exit 7) & " + SERVES)
    (supervised.watched / "a").touch()
    supervised.start()
    supervised.wait_for("parent", "up")
    time.sleep(0.2)
    (supervised.watched / "a").write_text("still at work")
    supervised.wait_for("parent", "hup")
    status, _ = supervised.end(signal.SIGTERM)
    assert status == 0


# What is started again.


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_is_started_again_ends_neither_the_others_nor_the_container(
    supervised: Supervised, code: int
) -> None:
    supervised.add("stays", SERVES)
    supervised.add("ends", ENDS, code)
    supervised.started_again("ends")
    supervised.start()
    supervised.wait_for("ends", "up", times=3)
    status, said = supervised.end(signal.SIGTERM)
    assert status == 0
    assert f"supervise: ends ended with status {code}" in said
    assert "supervise: ends is started again in 0.05 s" in said
    assert "supervise: ends is started again in 0.1 s" in said
    assert supervised.log("stays") == ["up", "term"]


def test_one_that_is_started_again_is_reloaded_and_stopped_like_the_others(
    supervised: Supervised,
) -> None:
    supervised.add("once", "echo up >> {0}; test -e {0}.2 || {{ touch {0}.2; exit 1; }}; " + SERVES)
    supervised.started_again("once")
    supervised.start()
    supervised.wait_for("once", "up", times=3)
    (supervised.watched / "a").touch()
    supervised.wait_for("once", "hup")
    status, said = supervised.end(signal.SIGTERM)
    assert status == 0
    assert supervised.log("once")[-1] == "term"
    assert said.count("started again") == 1


def test_one_that_is_not_started_again_still_ends_the_container(supervised: Supervised) -> None:
    supervised.add("again", SERVES)
    supervised.started_again("again")
    supervised.add("ends", ENDS, 3)
    supervised.start()
    status, said = supervised.finish()
    assert status == 3
    assert supervised.log("again")[-1] == "term"
    assert "started again" not in said


def test_the_pause_doubles_to_a_bound_and_begins_anew_after_a_while(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    restarts = module.Restarts()
    process = {"name": "ends", "restart": True}

    def pause(lived: float) -> float:
        restarts.has_started(process)
        now[0] += lived
        restarts.has_ended(process)
        waits = float(restarts.next_due() - now[0])
        assert restarts.take_due() == []
        now[0] += waits
        assert restarts.take_due() == [process]
        assert restarts.next_due() == float("inf")
        return waits

    assert [pause(1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert [pause(59), pause(60), pause(1)] == [30, 1, 2]


# When a change has come to rest.


@pytest.fixture(scope="module")
def module(image_programs: Callable[..., Any]) -> Any:
    return image_programs("base", {"supervise": "supervise"}).supervise


def replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


def remove(path: Path, text: str) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [replace, remove, Path.write_text])
def test_a_change_is_told_once_when_two_looks_agree(
    module: Any, tmp_path: Path, change: Callable[[Path, str], Any]
) -> None:
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("old")
    watch = module.Watch(str(tmp_path))
    assert watch.settled_change() == []
    change(tmp_path / "tls.crt", "newer")
    assert watch.settled_change() == []
    assert watch.settled_change() == ["tls.crt"]
    assert watch.settled_change() == []


def test_a_certificate_and_its_key_are_told_together(module: Any, tmp_path: Path) -> None:
    watch = module.Watch(str(tmp_path))
    replace(tmp_path / "tls.crt", "new")
    assert watch.settled_change() == []
    replace(tmp_path / "tls.key", "new")
    assert watch.settled_change() == []
    assert watch.settled_change() == ["tls.crt", "tls.key"]


def test_a_file_that_is_being_written_is_no_change_yet(module: Any, tmp_path: Path) -> None:
    watch = module.Watch(str(tmp_path))
    (tmp_path / ".tls.crt.new").write_text("half")
    assert [watch.settled_change() for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("image", ["events", "postgres", "router"])
def test_every_images_processes_are_what_the_supervisor_reads(image: str) -> None:
    path = SCRIPT.parents[1] / image / "processes.json"
    configuration = json.loads(path.read_text())
    assert configuration["watch"] == "/etc/selfmonitor"
    assert configuration["processes"]
    for process in configuration["processes"]:
        assert process["name"]
        assert process["command"][0].startswith("/")
        for name in ("reload_signal", "stop_signal"):
            number = getattr(signal, process.get(name, "SIGTERM"))
            assert isinstance(number, signal.Signals)


@pytest.mark.parametrize("name", ["backup", "replication", "restore-test", "side"])
def test_the_backup_images_processes_are_started_again(name: str) -> None:
    """They have nothing to do with each other: an archiver that is watched must stay watched."""
    configuration = json.loads((SCRIPT.parents[1] / "backup" / f"{name}.json").read_text())
    assert configuration["watch"] == "/etc/selfmonitor"
    assert configuration["processes"]
    for process in configuration["processes"]:
        assert process["command"][0] == "/usr/local/bin/backup-service"
        assert process["restart"] is True
