"""What a router does while the primary moves on purpose, and that it always lets go again."""

import datetime
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ["postgres-1", "postgres-2", "postgres-3"]


@pytest.fixture(scope="module")
def hold(image_programs: Callable[..., Any]) -> Any:
    return image_programs("router", {"hold": "hold"}).hold


class World:
    """Three members, two PgBouncers and HAProxy, with a clock that only moves when slept on.

    `changes`: {second: who is primary from then on}.
    """

    def __init__(self) -> None:
        self.names = list(NAMES)
        self.now = 0.0
        self.changes: dict[float, str | None] = {0.0: "postgres-1"}
        self.done: list[tuple[float, str]] = []
        self.asked: list[str] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def is_primary(self, name: str) -> bool:
        self.asked.append(name)
        return name == [who for when, who in sorted(self.changes.items()) if when <= self.now][-1]

    def hold(self) -> None:
        self.done.append((round(self.now, 2), "hold"))

    def go_on(self) -> None:
        self.done.append((round(self.now, 2), "go on"))

    def has_moved(self, old: str, new: str) -> None:
        self.done.append((round(self.now, 2), f"{old} to {new}"))

    def carry_out(self, hold: Any, new: str | None = "postgres-2", when: float = 5.0) -> None:
        hold.carry_out(("postgres-1", new, when), self, self, self, self.clock, self.sleep)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def alarm(hold: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, hold.time_is_up)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_transactions_are_held_from_the_moment_itself_until_another_is_primary(
    hold: Any, world: World
) -> None:
    world.changes |= {5.3: None, 5.8: "postgres-2"}
    world.carry_out(hold)
    held, moved, went_on = world.done
    assert held == (4.98, "hold")
    assert moved[1] == "postgres-1 to postgres-2"
    assert went_on[1] == "go on"
    assert 5.8 <= moved[0] <= went_on[0] <= 5.9
    # Nobody else is asked as long as the chosen one may still come.
    assert set(world.asked) == {"postgres-2"}


def test_another_one_than_was_chosen_is_found_as_well(hold: Any, world: World) -> None:
    world.changes |= {5.3: None, 6.0: "postgres-3"}
    world.carry_out(hold)
    assert [what for _, what in world.done] == ["hold", "postgres-1 to postgres-3", "go on"]
    assert world.done[-1][0] < 7.2


def test_with_no_successor_named_both_are_asked(hold: Any, world: World) -> None:
    world.changes |= {5.3: None, 5.8: "postgres-3"}
    world.carry_out(hold, new=None)
    assert world.done[-1][0] < 6.0


def test_a_primary_that_stays_lets_them_go_on_and_haproxy_is_told_nothing(
    hold: Any, world: World
) -> None:
    world.carry_out(hold)
    assert [what for _, what in world.done] == ["hold", "go on"]
    assert world.done[-1][0] < 7.2


def test_with_no_primary_at_all_they_go_on_when_the_time_is_up(
    hold: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "LONGEST_SECONDS", 0.3)
    world.changes |= {5.3: None}

    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, 0.01))
        world.now += seconds

    begun = time.monotonic()
    hold.carry_out(("postgres-1", "postgres-2", 5.0), world, world, world, world.clock, sleep)
    assert 0.2 < time.monotonic() - begun < 5
    assert [what for _, what in world.done] == ["hold", "go on"]


def test_a_failure_in_between_lets_them_go_on_too(hold: Any, world: World) -> None:
    def fails(name: str) -> bool:
        raise RuntimeError("unexpected")

    world.is_primary = fails  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.carry_out(hold)
    assert [what for _, what in world.done] == ["hold", "go on"]
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


# What is to come.


def plan(at: str, **more: str) -> dict[str, Any]:
    return {"members": [], "scheduled_switchover": {"at": at, **more}}


def test_a_plan_is_read_as_patroni_writes_it(hold: Any) -> None:
    at = datetime.datetime(2026, 11, 23, 3, 0, tzinfo=datetime.UTC)
    found = hold.planned_in(plan(at.isoformat(), **{"from": "postgres-1", "to": "postgres-2"}))
    assert found == ("postgres-1", "postgres-2", at.timestamp())
    assert hold.planned_in(plan(at.isoformat(), **{"from": "postgres-1"}))[1] is None
    assert hold.planned_in({"members": []}) is None
    # One that leaves whoever leads: Patroni does not schedule it.
    assert hold.planned_in(plan(at.isoformat())) is None


@pytest.mark.parametrize(
    ("ahead", "due"), [(60, False), (2.1, False), (2, True), (0, True), (-0.9, True), (-1, False)]
)
def test_only_what_is_near_is_waited_for(hold: Any, ahead: float, due: bool) -> None:
    assert hold.is_due(("postgres-1", None, 100 + ahead), None, 100.0) is due


def test_the_same_switchover_is_not_waited_for_again(hold: Any) -> None:
    same = ("postgres-1", None, 100.0)
    assert not hold.is_due(same, same, 100.0)
    assert hold.is_due(same, ("postgres-1", None, 50.0), 100.0)


def test_who_answered_is_asked_first_and_silence_is_passed_over(
    hold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = object.__new__(hold.Members)
    members.names = list(NAMES)
    asked: list[str] = []
    at = "2026-11-23T03:00:00+00:00"

    def ask(name: str, path: str) -> Any:
        asked.append(name)
        return plan(at, **{"from": "postgres-1"}) if name == "postgres-3" else None

    monkeypatch.setattr(members, "ask", ask)
    assert members.planned()[0] == "postgres-1"
    assert members.planned()[0] == "postgres-1"
    assert asked == [*NAMES, "postgres-3"]
    monkeypatch.setattr(members, "ask", lambda name, path: None)
    assert members.planned() is None
    assert sorted(members.names) == NAMES


@pytest.mark.parametrize(
    ("said", "primary"),
    [({"role": "primary"}, True), ({"role": "replica"}, False), ({}, False), (None, False)],
)
def test_a_primary_has_been_promoted_and_says_so(
    hold: Any, monkeypatch: pytest.MonkeyPatch, said: Any, primary: bool
) -> None:
    members = object.__new__(hold.Members)
    monkeypatch.setattr(members, "ask", lambda name, path: said)
    assert members.is_primary("postgres-2") is primary


# PgBouncer and HAProxy.


@pytest.fixture
def poolers(tmp_path: Path) -> Iterator[list[str]]:
    """Two processes that look like PgBouncers, a third with another file; each notes signals."""
    program = tmp_path / "pgbouncer"
    program.symlink_to(sys.executable)
    note = (
        "import signal, sys, time\n"
        "def noted(number, frame):\n"
        "    open(sys.argv[1] + '.signals', 'a').write(signal.Signals(number).name + ' ')\n"
        "for number in (signal.SIGUSR1, signal.SIGUSR2): signal.signal(number, noted)\n"
        "open(sys.argv[1], 'w').close()\n"
        "while True: time.sleep(60)\n"
    )
    files = [str(tmp_path / name) for name in ("write.ini", "read.ini", "other.ini")]
    running = [subprocess.Popen([str(program), "-c", note, file]) for file in files]
    deadline = time.monotonic() + 30
    while not all(map(os.path.exists, files)) and time.monotonic() < deadline:
        time.sleep(0.02)
    yield files
    for process in running:
        process.kill()
        process.wait()


def noted(file: str, count: int) -> list[str]:
    path = Path(file + ".signals")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = path.read_text().split() if path.exists() else []
        if len(found) >= count:
            return found
        time.sleep(0.02)
    return []


def test_the_poolers_are_told_to_pause_and_to_resume_and_nobody_else_is(
    hold: Any, poolers: list[str]
) -> None:
    told = hold.Poolers(poolers[:2])
    told.hold()
    assert [noted(file, 1) for file in poolers[:2]] == [["SIGUSR1"]] * 2
    told.go_on()
    assert [noted(file, 2)[1:] for file in poolers[:2]] == [["SIGUSR2"]] * 2
    assert not Path(poolers[2] + ".signals").exists()


def test_haproxy_is_told_of_both_and_may_be_away(
    hold: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "haproxy.sock")
    said: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer() -> None:
            for reply in (b"\n", b"No such server.\n"):
                with server.accept()[0] as connection:
                    said.append(connection.recv(4096).decode())
                    connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        hold.HAProxy(path, "primary").has_moved("postgres-1", "postgres-2")
        thread.join()
    assert said == [
        "set server primary/postgres-1 health down\n",
        "set server primary/postgres-2 health up\n",
    ]
    assert "No such server" in capsys.readouterr().err
    os.unlink(path)
    hold.HAProxy(path, "primary").has_moved("postgres-1", "postgres-2")
    assert "No such file" in capsys.readouterr().err


def test_it_lets_go_first_when_it_is_started_anew(
    hold: Any, poolers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(Exception):
        pass

    def planned(self: Any) -> None:
        raise Ended

    monkeypatch.setattr(hold.Members, "__init__", lambda self, names, port: None)
    monkeypatch.setattr(hold.Members, "planned", planned)
    settings = tmp_path / "hold.json"
    settings.write_text(
        json.dumps(
            {
                "members": NAMES,
                "rest_port": 8008,
                "poolers": poolers[:2],
                "haproxy_socket": "/none",
                "backend": "primary",
            }
        )
    )
    with pytest.raises(Ended):
        hold.main(str(settings))
    assert [noted(file, 1) for file in poolers[:2]] == [["SIGUSR2"]] * 2


def test_the_program_is_executable(hold: Any) -> None:
    assert Path(hold.__file__).stat().st_mode & stat.S_IXUSR
