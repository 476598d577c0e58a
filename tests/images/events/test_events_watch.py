"""The watching threads and the whole program, against servers that speak for real over TLS."""

import contextlib
import http.server
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from watch_events import redis_watch as module
from watch_events.certificates import Certificates
from watch_events.journal import Journal
from watch_events.notes import Notes
from watch_events.postgres_story import Answer
from watch_events.postgres_watch import MemberWatch, ask
from watch_events.redis_story import RedisStory
from watch_events.redis_watch import SentinelWatch
from watch_events.settings import Sentinel, parse

PATIENCE = 15.0
ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "a password"
MEMBERS = {"10.0.0.1": "redis-1", "10.0.0.2": "redis-2"}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


def array(*texts: str) -> bytes:
    return b"*%d\r\n" % len(texts) + b"".join(map(bulk, texts))


class FakeSentinel(socketserver.ThreadingTCPServer):
    """Speaks as much of Redis's protocol as a Sentinel needs to be listened to.

    hangs: accepts and reads, and answers nothing. silent: the same, but only for subscribers.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, files: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(str(files / "ca.crt"))
        self.context.load_cert_chain(files / "tls.crt", files / "tls.key")
        self.primary = "10.0.0.1"
        self.epoch = 1
        self.hangs = self.silent = False
        self.subscribers: list[ssl.SSLSocket] = []
        self.logins: list[list[str]] = []
        super().__init__(("127.0.0.1", 0), FakeConnection)

    def publish(self, channel: str, payload: str) -> None:
        for subscriber in self.subscribers:
            subscriber.sendall(array("pmessage", "*", channel, payload))

    def move(self, new: str) -> None:
        old, self.primary = self.primary, new
        self.epoch += 1
        self.publish("+switch-master", f"main {old} 6379 {new} 6379")

    def drop(self) -> None:
        for subscriber in list(self.subscribers):
            with contextlib.suppress(OSError):
                subscriber.shutdown(socket.SHUT_RDWR)


class FakeConnection(socketserver.StreamRequestHandler):
    server: FakeSentinel

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError, ValueError),
            self.server.context.wrap_socket(self.connection, server_side=True) as connection,
        ):
            try:
                self.serve(connection)
            finally:
                if connection in self.server.subscribers:
                    self.server.subscribers.remove(connection)

    def serve(self, connection: ssl.SSLSocket) -> None:
        file = connection.makefile("rb")
        while line := file.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(file.readline()[1:])
                words.append(file.read(length + 2)[:-2].decode())
            subscribed = connection in self.server.subscribers
            if self.server.hangs or (self.server.silent and subscribed):
                continue
            connection.sendall(self.answer(connection, words))

    def answer(self, connection: ssl.SSLSocket, words: list[str]) -> bytes:
        command = words[0].upper()
        if command == "AUTH":
            self.server.logins.append(words[1:])
            return b"+OK\r\n"
        if command == "PSUBSCRIBE":
            self.server.subscribers.append(connection)
            return b"*3\r\n" + bulk("psubscribe") + bulk(words[1]) + b":1\r\n"
        if command == "PING":
            return array("pong", "") if connection in self.server.subscribers else b"+PONG\r\n"
        if [word.upper() for word in words[:2]] == ["SENTINEL", "MASTER"]:
            fields = {"name": words[2], "ip": self.server.primary, "port": "6379"}
            fields |= {"flags": "master", "config-epoch": str(self.server.epoch)}
            return array(*(text for pair in fields.items() for text in pair))
        return b"-NOPERM this user has no permissions\r\n"


@pytest.fixture
def sentinel(files: Path) -> Iterator[FakeSentinel]:
    server = FakeSentinel(files)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.drop()
    server.server_close()


@pytest.fixture
def story(journal: Journal) -> RedisStory:
    notes = Notes({"redis": tuple(MEMBERS.values())})
    return RedisStory("main", ("sentinel-1",), MEMBERS, journal, notes)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(module, "SHORTEST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.1)


@pytest.fixture
def listening(
    quick: None, sentinel: FakeSentinel, story: RedisStory, files: Path
) -> Iterator[FakeSentinel]:
    """A Sentinel that is listened to."""
    stop = threading.Event()
    port = int(sentinel.server_address[1])
    where = Sentinel("sentinel-1", "127.0.0.1", port)
    watch = SentinelWatch(where, "main", PASSWORD, Certificates(files), story, stop)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    until(lambda: heard(story))
    yield sentinel
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def heard(story: RedisStory) -> bool:
    found: Any = story.health()["sentinels"]
    return bool(found["sentinel-1"])


def changes(journal: Journal) -> list[tuple[str, str | None, str]]:
    return [(event.kind, event.new, event.reason) for event in journal.after(0)]


def test_an_announcement_is_an_event_at_once_with_its_reason(
    listening: FakeSentinel, journal: Journal
) -> None:
    listening.publish("+sdown", "master main 10.0.0.1 6379")
    listening.publish("+odown", "master main 10.0.0.1 6379 #quorum 1/1")
    listening.publish("+try-failover", "master main 10.0.0.1 6379")
    listening.move("10.0.0.2")
    until(lambda: len(journal.after(0)) == 2)
    assert changes(journal) == [
        ("began", "redis-1", "the watch began"),
        ("failover", "redis-2", "redis-1 did not answer (1 of 1 Sentinels agreed)"),
    ]


def test_it_logs_in_as_its_own_user(listening: FakeSentinel) -> None:
    assert listening.logins
    assert all(login == ["events", PASSWORD] for login in listening.logins)


def test_a_connection_that_breaks_is_made_again_and_what_was_missed_is_found(
    listening: FakeSentinel, story: RedisStory, journal: Journal
) -> None:
    listening.hangs = True
    listening.drop()
    until(lambda: not heard(story))
    listening.move("10.0.0.2")
    listening.hangs = False
    until(lambda: heard(story))
    assert [new for _, new, _ in changes(journal)] == ["redis-1", "redis-2"]
    listening.publish("+try-failover", "master main 10.0.0.2 6379")
    listening.move("10.0.0.1")
    until(lambda: len(journal.after(0)) == 3)
    assert changes(journal)[2] == ("switchover", "redis-1", "planned")


@pytest.mark.parametrize("how", ["hangs", "silent"])
def test_a_sentinel_that_hangs_is_noticed_and_heard_again_when_it_answers(
    listening: FakeSentinel, story: RedisStory, journal: Journal, how: str
) -> None:
    setattr(listening, how, True)
    until(lambda: not heard(story))
    setattr(listening, how, False)
    until(lambda: heard(story))
    listening.move("10.0.0.2")
    until(lambda: len(journal.after(0)) == 2)


def test_a_sentinel_of_another_stack_is_not_heard(
    quick: None, story: RedisStory, files: Path, stranger: Any, tmp_path: Path
) -> None:
    server = FakeSentinel(stranger.issue(tmp_path / "stranger"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    stop = threading.Event()
    where = Sentinel("sentinel-1", "127.0.0.1", int(server.server_address[1]))
    watch = SentinelWatch(where, "main", PASSWORD, Certificates(files), story, stop)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    time.sleep(0.3)
    assert server.logins == []
    assert not heard(story)
    stop.set()
    thread.join(PATIENCE)
    server.shutdown()
    server.server_close()


def test_while_nobody_listens_it_is_tried_again_with_growing_pauses_and_said_once(
    story: RedisStory,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stop = threading.Event()
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 8:
            stop.set()
        return stop.is_set()

    monkeypatch.setattr(stop, "wait", wait)
    where = Sentinel("sentinel-1", "127.0.0.1", port)
    SentinelWatch(where, "main", PASSWORD, Certificates(files), story, stop).run()
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert capsys.readouterr().err.count("sentinel-1 is not heard") == 1


# PostgreSQL.


class FakePatroni(http.server.BaseHTTPRequestHandler):
    answer: Any = b'{"role": "primary", "state": "running", "timeline": 3}'
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def patroni(files: Path) -> Iterator[tuple[int, type[FakePatroni]]]:
    """Its port, and its handler, whose answer may be changed."""
    handler = type("Handler", (FakePatroni,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(files / "ca.crt"))
    context.load_cert_chain(files / "tls.crt", files / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1], handler
    server.shutdown()
    server.server_close()


class Listener:
    """In the place of a story."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.said: list[tuple[str, Answer | None]] = []

    def heard(self, member: str, answer: Answer | None) -> None:
        self.said.append((member, answer))
        self.stop.set()


def look(port: int, files: Path) -> Answer | None:
    stop = threading.Event()
    listener: Any = Listener(stop)
    MemberWatch("localhost", port, Certificates(files), listener, stop).run()
    [(member, answer)] = listener.said
    assert member == "localhost"
    return answer


def test_a_member_is_asked_with_this_containers_certificate(
    patroni: tuple[int, type[FakePatroni]], files: Path
) -> None:
    assert look(patroni[0], files) == Answer("primary", "running", 3)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"[" * 100_000, b"x" * 1_100_000, b"\xff"]
)
def test_nonsense_is_no_answer(
    patroni: tuple[int, type[FakePatroni]], files: Path, answer: bytes
) -> None:
    patroni[1].answer = answer
    assert look(patroni[0], files) is None


def test_an_error_is_no_answer(patroni: tuple[int, type[FakePatroni]], files: Path) -> None:
    patroni[1].status = 503
    assert look(patroni[0], files) is None
    with pytest.raises(ValueError, match="status 503"):
        ask("localhost", patroni[0], "/history", Certificates(files))


def test_one_that_does_not_speak_tls_is_given_up_after_a_second(files: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        assert look(silent.getsockname()[1], files) is None
        assert 0.5 < time.monotonic() - begun < 5


# All of it.


def test_the_settings_are_read_as_the_component_writes_them() -> None:
    found = parse(
        {
            "listen_port": 8010,
            "sentinels": [{"host": "10.87.1.96", "port": 26379, "name": "sentinel-1"}],
            "redis_members": {"10.87.1.80": "redis-1"},
            "service": "main",
            "postgres_members": ["postgres-1"],
            "rest_port": 8008,
        }
    )
    assert found.sentinels == (Sentinel("sentinel-1", "10.87.1.96", 26379),)
    assert found.postgres_members == ("postgres-1",)


def test_the_program_watches_publishes_takes_up_certificates_and_ends(
    sentinel: FakeSentinel,
    patroni: tuple[int, type[FakePatroni]],
    authority: Any,
    tmp_path: Path,
) -> None:
    files = authority.issue(tmp_path / "files")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "listen_port": port,
        "sentinels": [
            {"host": "127.0.0.1", "port": sentinel.server_address[1], "name": "sentinel-1"}
        ],
        "redis_members": MEMBERS,
        "service": "main",
        "postgres_members": ["localhost"],
        "rest_port": patroni[0],
    }
    (files / "events.json").write_text(json.dumps(settings))
    (files / "events.password").write_text(PASSWORD)
    journal = tmp_path / "events.jsonl"
    program = (
        "import sys; from pathlib import Path; from watch_events.service import main;"
        "sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program, str(files), str(journal)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "images" / "events")},
    )
    try:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") == 2)
        following = Certificates(files)
        connection = http.client.HTTPSConnection(
            "localhost", port, timeout=PATIENCE, context=following.client
        )
        connection.request("GET", "/events?after=0&follow=1")
        answer = connection.getresponse()
        began = {json.loads(answer.readline())["service"] for _ in range(2)}
        assert began == {"redis", "postgres"}
        running.send_signal(signal.SIGHUP)
        sentinel.move("10.0.0.2")
        assert json.loads(answer.readline())["new"] == "redis-2"
        health = ask("localhost", port, "/health", following)
        assert health["redis"]["sentinels"] == {"sentinel-1": True}
        assert health["postgres"]["primary"] == "localhost"
        running.send_signal(signal.SIGTERM)
        assert answer.read() == b""
    finally:
        if running.poll() is None:
            running.terminate()
        _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert "certificates taken up" in said
    assert PASSWORD not in said
