"""What a router does while the primary moves on purpose, and that it always lets go again."""

import datetime
import http.server
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from standalone import values

NAMES = ["postgres-1", "postgres-2", "postgres-3"]


@pytest.fixture(scope="module")
def hold(image_programs: Callable[..., Any]) -> Any:
    return image_programs("router", {"hold": "hold"}).hold


class World:
    """Three members, two PgBouncers and HAProxy, with a clock that only moves when slept on.

    Each by second, from when on: `leaders`, who holds the lock; `promoted`, who is primary;
    `running`: whether the old primary is.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.leaders: dict[float, str | None] = {0.0: "postgres-1"}
        self.promoted: dict[float, str | None] = {0.0: "postgres-1"}
        self.running: dict[float, bool | None] = {0.0: True}
        self.done: list[tuple[float, str]] = []
        self.asked: list[str] = []

    def by_now(self, changes: dict[float, Any]) -> Any:
        return [what for when, what in sorted(changes.items()) if when <= self.now][-1]

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def cluster(self) -> Any:
        leader = self.by_now(self.leaders)
        return {
            "members": [
                {"name": name, "role": "leader" if name == leader else "replica"} for name in NAMES
            ]
        }

    def is_running(self, name: str) -> bool | None:
        assert name == "postgres-1"
        found: bool | None = self.by_now(self.running)
        return found

    def has_been_promoted(self, name: str) -> bool:
        self.asked.append(name)
        return bool(name == self.by_now(self.promoted))

    def hold(self) -> None:
        self.done.append((round(self.now, 2), "hold"))

    def go_on(self) -> None:
        self.done.append((round(self.now, 2), "go on"))

    def has_moved(self, old: str, new: str) -> None:
        self.done.append((round(self.now, 2), f"{old} to {new}"))

    def carry_out(self, hold: Any, sleep: Callable[[float], None] | None = None) -> list[str]:
        """What was done, in order; the switchover is planned for second 5."""
        hold.carry_out(("postgres-1", 5.0), self, self, self, self.clock, sleep or self.sleep)
        return [what for _, what in self.done]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def alarm(hold: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, hold.time_is_up)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_transactions_are_held_from_when_the_primary_stops_until_another_is_promoted(
    hold: Any, world: World
) -> None:
    world.running[5.3] = False
    world.leaders |= {5.6: None, 5.8: "postgres-2"}
    world.promoted |= {5.4: None, 6.0: "postgres-2"}
    assert world.carry_out(hold) == ["hold", "postgres-1 to postgres-2", "go on"]
    held, moved, went_on = (when for when, _ in world.done)
    assert held == pytest.approx(5.3, abs=0.05)
    assert 6.0 <= moved <= went_on < 6.1
    # A standby is not asked before it has the lock: each answer costs it a connection.
    assert set(world.asked) == {"postgres-2"}
    assert len(world.asked) < 10


def test_a_primary_that_does_not_stop_holds_nobody_up(
    hold: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.carry_out(hold) == []
    assert "postgres-1 stays the primary" in capsys.readouterr().err


def test_one_answer_that_is_lost_holds_nobody_up_and_two_do(hold: Any, world: World) -> None:
    world.running |= {5.0: None, 5.015: True}
    assert world.carry_out(hold) == []
    world.now = 0.0
    world.running = {0.0: True, 5.0: None}
    world.leaders[5.5] = "postgres-2"
    world.promoted[5.5] = "postgres-2"
    assert world.carry_out(hold)[0] == "hold"
    assert world.done[0][0] < 5.1


def test_a_primary_that_stops_and_comes_back_is_gone_on_with(hold: Any, world: World) -> None:
    world.running |= {5.1: False}
    world.promoted |= {5.1: None, 5.9: "postgres-1"}
    assert world.carry_out(hold) == ["hold", "go on"]
    assert world.done[-1][0] < 8.5


def test_with_no_primary_at_all_they_go_on_when_the_time_is_up(
    hold: Any, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hold, "LONGEST_SECONDS", 0.3)
    world.running[5.1] = False
    world.leaders[5.3] = None

    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, 0.01))
        world.now += seconds

    begun = time.monotonic()
    assert world.carry_out(hold, sleep) == ["hold", "go on"]
    assert 0.2 < time.monotonic() - begun < 5
    assert "no primary yet" in capsys.readouterr().err


def test_a_failure_in_between_lets_them_go_on_too(
    hold: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> Any:
        raise RuntimeError("unexpected")

    world.running[5.1] = False
    monkeypatch.setattr(world, "cluster", fails)
    with pytest.raises(RuntimeError):
        world.carry_out(hold)
    assert [what for _, what in world.done] == ["hold", "go on"]
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


# What is to come.


def plan(at: str, **more: str) -> dict[str, Any]:
    return {"members": [], "scheduled_switchover": {"at": at, **more}}


def test_a_plan_is_read_as_patroni_writes_it(hold: Any) -> None:
    at = datetime.datetime(2026, 11, 23, 3, 0, tzinfo=datetime.UTC)
    written = plan(at.isoformat(), **{"from": "postgres-1", "to": "postgres-2"})
    assert hold.planned_in(written) == ("postgres-1", at.timestamp())
    assert hold.planned_in({"members": []}) is None
    assert hold.planned_in(None) is None
    # One that leaves whoever leads: Patroni does not schedule it.
    assert hold.planned_in(plan(at.isoformat())) is None


def test_the_leader_is_who_holds_the_lock(hold: Any, world: World) -> None:
    assert hold.leader_in(world.cluster()) == "postgres-1"
    world.leaders[0.0] = None
    assert hold.leader_in(world.cluster()) is None
    assert hold.leader_in(None) is None


@pytest.mark.parametrize(
    ("ahead", "due"), [(60, False), (2.1, False), (2, True), (0, True), (-0.9, True), (-1, False)]
)
def test_only_what_is_near_is_waited_for(hold: Any, ahead: float, due: bool) -> None:
    assert hold.is_due(("postgres-1", 100 + ahead), None, 100.0) is due


def test_the_same_switchover_is_not_waited_for_again(hold: Any) -> None:
    same = ("postgres-1", 100.0)
    assert not hold.is_due(same, same, 100.0)
    assert hold.is_due(same, ("postgres-1", 50.0), 100.0)


@pytest.fixture
def members(hold: Any) -> Any:
    found = object.__new__(hold.Members)
    found.names = list(NAMES)
    return found


def test_who_answered_is_asked_first_and_silence_is_passed_over(
    members: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(name: str, path: str) -> Any:
        asked.append(name)
        return {"members": []} if name == "postgres-3" else None

    monkeypatch.setattr(members, "ask", ask)
    assert members.cluster() == {"members": []}
    assert members.cluster() == {"members": []}
    assert asked == [*NAMES, "postgres-3"]
    monkeypatch.setattr(members, "ask", lambda name, path: None)
    assert members.cluster() is None
    assert sorted(members.names) == NAMES


@pytest.mark.parametrize(
    ("said", "primary", "running"),
    [
        ({"role": "primary", "state": "running"}, True, True),
        ({"role": "replica", "state": "running"}, False, True),
        ({"role": "primary", "state": "stopping"}, True, False),
        ({}, False, False),
        (None, False, None),
    ],
)
def test_what_a_member_says_of_itself(
    members: Any, monkeypatch: pytest.MonkeyPatch, said: Any, primary: bool, running: bool
) -> None:
    monkeypatch.setattr(members, "ask", lambda name, path: said)
    assert members.has_been_promoted("postgres-2") is primary
    assert members.is_running("postgres-2") is running


def certificate() -> tuple[str, str]:
    """A key and the certificate for `localhost` that it signed itself."""
    key = values.private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    made = values.self_signed_cert(
        {
            "privateKeyPem": key["privateKeyPem"],
            "subject": {"commonName": "localhost"},
            "dnsNames": ["localhost"],
            "isCaCertificate": True,
            "allowedUses": ["cert_signing", "digital_signature", "server_auth", "client_auth"],
            "validityPeriodHours": 24,
        }
    )
    return key["privateKeyPem"], made["certPem"]


class Patroni:
    """Answers over TLS, as Patroni's own server does, those who show a certificate."""

    def __init__(self, folder: Path) -> None:
        self.answer = (200, b'{"role": "primary"}')
        self.resumed: list[bool] = []
        key, pem = certificate()
        for name, text in (("tls.key", key), ("tls.crt", pem), ("ca.crt", pem)):
            (folder / name).write_text(text)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        context.verify_mode = ssl.CERT_REQUIRED
        patroni = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert isinstance(self.connection, ssl.SSLSocket)
                patroni.resumed.append(bool(self.connection.session_reused))
                status, body = patroni.answer
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_said: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def patroni(hold: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patroni]:
    monkeypatch.setattr(hold, "FILES", f"{tmp_path}/")
    running = Patroni(tmp_path)
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_members_are_asked_over_tls_and_sessions_are_resumed(hold: Any, patroni: Patroni) -> None:
    members = hold.Members(["localhost"], patroni.port)
    assert members.has_been_promoted("localhost")
    assert members.has_been_promoted("localhost")
    assert patroni.resumed == [False, True]


@pytest.mark.parametrize("answer", [(503, b'{"role": "replica"}'), (200, b"no JSON"), (200, b"")])
def test_any_other_answer_is_none(hold: Any, patroni: Patroni, answer: tuple[int, bytes]) -> None:
    members = hold.Members(["localhost"], patroni.port)
    patroni.answer = answer
    assert members.ask("localhost", "/primary") is None


def test_who_does_not_answer_or_is_a_stranger_has_said_nothing(
    hold: Any, patroni: Patroni, tmp_path: Path
) -> None:
    members = hold.Members(["localhost"], patroni.port)
    (tmp_path / "ca.crt").write_text(certificate()[1])
    assert hold.Members(["localhost"], patroni.port).ask("localhost", "/primary") is None
    patroni.server.shutdown()
    patroni.server.server_close()
    assert members.ask("localhost", "/primary") is None


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


def test_a_pooler_that_has_only_begun_is_not_killed_by_it(hold: Any, tmp_path: Path) -> None:
    """Until it has its handlers, either signal ends it."""
    program = tmp_path / "pgbouncer"
    program.symlink_to(sys.executable)
    sleeping = [str(program), "-c", "import time; time.sleep(60)", str(tmp_path / "new.ini")]
    with subprocess.Popen(sleeping) as process:
        told = hold.Poolers([str(tmp_path / "new.ini")])
        deadline = time.monotonic() + 30
        while not hold.pids_of([str(tmp_path / "new.ini")]) and time.monotonic() < deadline:
            time.sleep(0.02)
        told.go_on()
        told.hold()
        time.sleep(0.2)
        assert process.poll() is None
        process.kill()
    assert not hold.catches(process.pid, signal.SIGUSR1)


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

    def cluster(self: Any) -> None:
        raise Ended

    monkeypatch.setattr(hold.Members, "__init__", lambda self, names, port: None)
    monkeypatch.setattr(hold.Members, "cluster", cluster)
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
