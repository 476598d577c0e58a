"""The HTTPS server, for real, on the loopback."""

import http.client
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from watch_events import journal as journal_module
from watch_events import publish as module
from watch_events.certificates import Certificates
from watch_events.journal import Journal
from watch_events.notes import Notes
from watch_events.publish import LARGEST_REQUEST, Publisher

PATIENCE = 10.0
NOTE = {"service": "postgres", "kind": "switchover", "old": "postgres-1"}


class Published:
    """A server on a free port, and clients of it."""

    def __init__(self, journal: Journal, files: Path) -> None:
        self.journal = journal
        self.files = files
        self.notes = Notes({"postgres": ("postgres-1",)})
        self.certificates = Certificates(files)
        self.server = Publisher(
            0, journal, self.notes, self.certificates, lambda: {"redis": {}}, "127.0.0.1"
        )
        self.port = self.server.server_address[1]

    def client(self, files: Path | None = None, *, certificate: bool = True) -> ssl.SSLContext:
        files = files or self.files
        context = ssl.create_default_context(cafile=str(self.files / "ca.crt"))
        if certificate:
            context.load_cert_chain(files / "tls.crt", files / "tls.key")
        return context

    def open(self, path: str, method: str = "GET", **more: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=PATIENCE, context=more.pop("context", self.client())
        )
        connection.request(method, path, **more)
        return connection.getresponse()

    def get(self, path: str) -> tuple[int, list[Any]]:
        """Status and each line."""
        answer = self.open(path)
        return answer.status, [json.loads(line) for line in answer.read().splitlines()]

    def add(self, reason: str = "it died") -> int:
        return self.journal.add("redis", "failover", "redis-1", "redis-2", reason).id

    def raw(self) -> ssl.SSLSocket:
        """A connection on which nothing was said yet."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return self.client().wrap_socket(plain, server_hostname="localhost")


@pytest.fixture
def published(journal: Journal, files: Path) -> Iterator[Published]:
    found = Published(journal, files)
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_after_an_id_are_told_one_a_line(published: Published) -> None:
    for _ in range(3):
        published.add()
    answer = published.open("/events?after=1")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    found = [json.loads(line) for line in answer.read().splitlines()]
    assert [each["id"] for each in found] == [2, 3]
    assert found[0]["reason"] == "it died"
    assert published.get("/events")[1][0]["id"] == 1
    assert published.get("/events?after=3") == (200, [])


def test_a_journal_longer_than_a_piece_arrives_whole(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    for _ in range(10):
        published.add()
    _, found = published.get("/events?after=0")
    assert [each["id"] for each in found] == list(range(1, 11))


@pytest.mark.parametrize("certificate", [True, False])
def test_nobody_without_a_certificate_of_this_stack_is_heard(
    published: Published, stranger: Any, tmp_path: Path, certificate: bool
) -> None:
    published.add("secret reason")
    context = published.client(stranger.issue(tmp_path / "stranger"), certificate=certificate)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        published.open("/events", context=context).read()
    assert published.get("/events")[0] == 200


def test_a_follower_gets_an_event_as_it_happens(published: Published) -> None:
    published.add()
    answer = published.open("/events?after=0&follow=1")
    assert json.loads(answer.readline())["id"] == 1
    until(lambda: published.journal.followers() == 1)
    begun = time.monotonic()
    published.add()
    assert json.loads(answer.readline())["id"] == 2
    assert time.monotonic() - begun < 1
    published.journal.end()
    assert answer.read() == b""


def test_a_follower_without_events_is_kept_alive_by_empty_lines(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_SECONDS", 0.05)
    answer = published.open("/events?follow=1")
    assert [answer.readline(), answer.readline()] == [b"\n", b"\n"]
    published.add()
    until(lambda: answer.readline() != b"\n")


def test_a_follower_that_has_gone_makes_room(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_SECONDS", 0.05)
    answer = published.open("/events?follow=1")
    assert published.journal.followers() == 1
    answer.close()
    until(lambda: published.journal.followers() == 0)


def test_one_follower_too_many_is_told_so(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_FOLLOWERS", 1)
    first = published.open("/events?follow=1")
    status, [answer] = published.get("/events?follow=1")
    assert status == 503
    assert "follow already" in answer["error"]
    assert first.status == 200


def test_a_follower_that_reads_nothing_holds_up_nobody(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "FOLLOWER_EVENTS", 5)
    with published.raw() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.sendall(b"GET /events?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: published.journal.followers() == 1)
        slowest = 0.0
        for _ in range(400):
            begun = time.monotonic()
            published.add("x" * 8192)
            slowest = max(slowest, time.monotonic() - begun)
        until(lambda: published.journal.followers() == 0)
    assert slowest < module.REQUEST_SECONDS / 2
    assert published.get("/events?after=399")[0] == 200


# What else is asked.


def test_health_tells_whether_the_journal_can_be_written(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.get("/health") == (
        200,
        [{"journal_writable": True, "followers": 0, "redis": {}}],
    )
    monkeypatch.setattr(published.journal, "writable", lambda: False)
    status, [answer] = published.get("/health")
    assert status == 503
    assert answer["journal_writable"] is False


def test_a_note_from_this_container_is_kept(published: Published) -> None:
    answer = published.open("/notes", "POST", body=json.dumps(NOTE))
    assert (answer.status, answer.read()) == (200, b"{}\n")
    assert published.notes.take("postgres", "postgres-1")


def test_a_note_from_elsewhere_is_refused(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HERE", "10.87.0.2")
    assert published.open("/notes", "POST", body=json.dumps(NOTE)).status == 403
    assert not published.notes.take("postgres", "postgres-1")


@pytest.mark.parametrize(
    "body", ["", "{", "[]", json.dumps(NOTE | {"old": "x"}), "[" * 8000, "\ud800"]
)
def test_what_is_no_note_is_refused(published: Published, body: str) -> None:
    answer = published.open("/notes", "POST", body=body.encode(errors="surrogatepass"))
    assert answer.status == 400
    assert json.loads(answer.read())["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/events?after=x", 400),
        ("GET", "/events?after=-1", 400),
        ("GET", "/events?after=" + "9" * 30, 400),
        ("GET", "/events?after=%C2%B2", 400),
        ("GET", "/events?follow=yes", 400),
        ("GET", "//[/", 404),
        ("GET", "/", 404),
        ("GET", "//events/", 404),
        ("POST", "/events", 404),
        ("PUT", "/notes", 501),
    ],
)
def test_what_is_not_offered_is_refused(
    published: Published, method: str, path: str, status: int
) -> None:
    assert published.open(path, method).status == status


# Who asks too slowly or too much.


def test_a_request_that_is_too_large_is_closed(published: Published) -> None:
    with published.raw() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_REQUEST)
        assert closed(connection)
    with published.raw() as connection:
        connection.sendall(b"POST /notes HTTP/1.1\r\nContent-Length: 999999\r\n\r\n")
        assert closed(connection)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\n"])
def test_a_request_that_does_not_end_is_closed_in_time(
    published: Published, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    with published.raw() as connection:
        connection.sendall(said)
        begun = time.monotonic()
        assert closed(connection)
        assert time.monotonic() - begun < 3


def test_who_does_not_shake_hands_holds_up_nobody(published: Published) -> None:
    silent = [socket.create_connection(("127.0.0.1", published.port)) for _ in range(10)]
    begun = time.monotonic()
    assert published.get("/health")[0] == 200
    assert time.monotonic() - begun < 2
    for each in silent:
        each.close()


def test_connections_are_bounded_and_their_places_are_given_back(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 1.0)
    silent = [
        socket.create_connection(("127.0.0.1", published.port), timeout=PATIENCE)
        for _ in range(module.MOST_CONNECTIONS + 1)
    ]
    assert closed(silent[-1])
    for each in silent:
        each.close()

    def served() -> bool:
        try:
            return published.get("/health")[0] == 200
        except OSError:
            return False

    until(served)


# Certificates.


def test_a_renewed_certificate_is_shown_to_new_connections(
    journal: Journal, authority: Any, tmp_path: Path, published: Published
) -> None:
    files = authority.issue(tmp_path / "own")
    published.server.certificates = Certificates(files)

    def shown() -> bytes | None:
        with published.raw() as connection:
            return connection.getpeercert(binary_form=True)

    before = shown()
    following = published.open("/events?follow=1")
    authority.issue(files)
    assert shown() == before
    published.server.certificates.reload()
    assert shown() != before
    published.add()
    assert json.loads(following.readline())["id"] == 1


def test_a_certificate_that_does_not_fit_its_key_is_not_taken_up(
    authority: Any, tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = authority.issue(tmp_path / "own")
    certificates = Certificates(own)
    before = certificates.server
    shutil.copy(files / "tls.crt", own / "tls.crt")
    certificates.reload()
    (own / "tls.key").unlink()
    certificates.reload()
    assert certificates.server is before
    assert capsys.readouterr().err.count("not taken up") == 2
