"""The HTTPS server: the journal for whoever has a certificate of the stack.

    GET /events?after=ID            the events after ID, one JSON a line
    GET /events?after=ID&follow=1   the same, and then each one as it happens
    GET /health                     who is heard; 503 while the journal cannot be written
    POST /notes                     an operator's command is about to move a primary; from this
                                    container alone

Everything is bounded: how many may be connected, how long a request may take and how large it may
be, and how far a follower may lag.
"""

import http
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from watch_events.certificates import Certificates
from watch_events.event import Event
from watch_events.journal import MOST_FOLLOWERS, Journal, TooManyFollowers
from watch_events.notes import Notes

# Followers, and as many again that ask and go.
MOST_CONNECTIONS = 2 * MOST_FOLLOWERS
# From the first byte of the handshake to the last of the request, and again for each piece of the
# answer that waits for the other end.
REQUEST_SECONDS = 5.0
LARGEST_REQUEST = 8 * 1024
KEEP_ALIVE_SECONDS = 10.0
# A follower whose machine vanished without a word is noticed after this time.
VANISHED_MS = 30_000
# How many events go out at once: a journal of ten thousand is sent in pieces.
BATCH = 200
HERE = "127.0.0.1"


class RequestRefused(Exception):
    """status and what to tell."""

    def __init__(self, status: http.HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Publisher(socketserver.ThreadingTCPServer):
    """The server. health: what GET /health tells besides."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_CONNECTIONS

    def __init__(
        self,
        port: int,
        journal: Journal,
        notes: Notes,
        certificates: Certificates,
        health: Callable[[], dict[str, Any]],
        address: str = "",
    ) -> None:
        super().__init__((address, port), Handler)
        self.journal = journal
        self.notes = notes
        self.certificates = certificates
        self.health = health
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Never waits: one too many is closed."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake is part of it, so that who does not finish it holds up nobody."""
        try:
            self._serve(request, client_address)
        finally:
            self._free.release()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            request.settimeout(REQUEST_SECONDS)
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)
            with self.certificates.server.wrap_socket(request, server_side=True) as connection:
                self.finish_request(connection, client_address)
        except (OSError, ValueError):
            # Refused, gone or too slow: nothing that anybody here must know of.
            pass
        finally:
            self.shutdown_request(request)


class Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: Publisher
    protocol_version = "HTTP/1.1"
    server_version = "watch-events"
    sys_version = ""

    def setup(self) -> None:
        """The whole request is read first, within one time and one size."""
        super().setup()
        self.rfile.close()
        self.rfile = BytesIO(read_request(self.connection))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Requests are not logged: a probe asks every few seconds."""

    def do_GET(self) -> None:
        """See the module."""
        self.close_connection = True
        path, _, query = self.path.partition("?")
        try:
            if path == "/events":
                self._events(parse_qs(query))
            elif path == "/health":
                self._health()
            else:
                raise RequestRefused(http.HTTPStatus.NOT_FOUND, "there are /events and /health")
        except RequestRefused as refused:
            self._answer(refused.status, {"error": str(refused)})

    def do_POST(self) -> None:
        """See the module."""
        self.close_connection = True
        try:
            if self.path != "/notes":
                raise RequestRefused(http.HTTPStatus.NOT_FOUND, "there is /notes")
            if self.client_address[0] != HERE:
                raise RequestRefused(http.HTTPStatus.FORBIDDEN, "only from this container")
            try:
                self.server.notes.leave(json.loads(self.rfile.read()))
            except (ValueError, TypeError, RecursionError) as error:
                raise RequestRefused(http.HTTPStatus.BAD_REQUEST, str(error)) from None
        except RequestRefused as refused:
            self._answer(refused.status, {"error": str(refused)})
        else:
            self._answer(http.HTTPStatus.OK, {})

    def _events(self, query: dict[str, list[str]]) -> None:
        after = query.get("after", ["0"])[0]
        follow = query.get("follow", ["0"])[0]
        if not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise RequestRefused(http.HTTPStatus.BAD_REQUEST, "after: an event's id")
        if follow not in ("0", "1"):
            raise RequestRefused(http.HTTPStatus.BAD_REQUEST, "follow: 0 or 1")
        if follow == "1":
            self._follow(int(after))
            return
        events = self.server.journal.after(int(after))
        self._lines(events)
        self._last_chunk()

    def _follow(self, after: int) -> None:
        try:
            follower, events = self.server.journal.follow(after)
        except TooManyFollowers:
            raise RequestRefused(
                http.HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_FOLLOWERS} follow already"
            ) from None
        try:
            self._lines(events)
            while True:
                try:
                    self._chunk(follower.next(KEEP_ALIVE_SECONDS).line())
                except TimeoutError:
                    self._chunk(b"\n")
                except EOFError:
                    self._last_chunk()
                    return
        finally:
            self.server.journal.unfollow(follower)

    def _lines(self, events: list[Event]) -> None:
        self._head("application/x-ndjson", http.HTTPStatus.OK)
        for start in range(0, len(events), BATCH):
            self._chunk(b"".join(event.line() for event in events[start : start + BATCH]))

    def _health(self) -> None:
        journal = self.server.journal
        writable = journal.writable()
        status = http.HTTPStatus.OK if writable else http.HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(
            status,
            {
                "journal_writable": writable,
                "followers": journal.followers(),
                **self.server.health(),
            },
        )

    def _answer(self, status: http.HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode() + b"\n"
        self._head("application/json", status)
        self._chunk(body)
        self._last_chunk()

    def _head(self, content_type: str, status: http.HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _last_chunk(self) -> None:
        self.wfile.write(b"0\r\n\r\n")


def read_request(connection: Any) -> bytes:
    """Head and body. Raises OSError for one that takes too long, ValueError for one too large."""
    deadline = time.monotonic() + REQUEST_SECONDS
    received = b""
    while (missing := _missing(received)) != 0:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if len(received) >= LARGEST_REQUEST:
            raise ValueError("the request is too large")
        connection.settimeout(left)
        piece = connection.recv(min(missing or LARGEST_REQUEST, LARGEST_REQUEST - len(received)))
        if not piece:
            raise ConnectionResetError
        received += piece
    connection.settimeout(REQUEST_SECONDS)
    return received


def _missing(received: bytes) -> int | None:
    """How many bytes of a request are still to come; None while its head is not complete."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = value.strip()
            if not length.isdigit() or len(length) > 6 or int(length) > LARGEST_REQUEST:
                raise ValueError("the request is too large")
            return max(0, int(length) - len(body))
    return 0
