"""The API over a real connection: requests, streams, and what is made of refusals."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from cli.containers import CannotBeAsked
from cli.errors import OperationFailed
from cli.kubernetes_api import KubernetesApi, Refused
from cli.kubernetes_exchange import exit_status
from cli.kubernetes_pod import Pod

PATIENCE = 10
ENDED = b'{"status": "Success"}'
FAILED = json.dumps(
    {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code",
        "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
    }
).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers as told, and notes what it was asked. Streams speak v5.channel.k8s.io."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_any(self) -> None:
        server: Any = self.server
        length = int(self.headers.get("Content-Length") or 0)
        url = urlsplit(self.path)
        request = {
            "method": self.command,
            "path": url.path,
            "query": parse_qsl(url.query),
            "type": self.headers.get("Content-Type"),
            "token": self.headers.get("Authorization"),
            "body": json.loads(self.rfile.read(length)) if length else None,
        }
        server.requests.append(request)
        status, answer = server.answers.get((self.command, url.path), (404, {"message": "no such"}))
        if status == 101:
            self.stream(answer)
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PATCH = do_DELETE = do_any  # noqa: N815

    def stream(self, carry: Any) -> None:
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        carry(self)
        self.close_connection = True

    def say(self, channel: int, data: bytes) -> None:
        self.frame(0x2, bytes([channel]) + data)

    def frame(self, opcode: int, data: bytes = b"") -> None:
        head = bytes([0x80 | opcode])
        head += bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data))
        self.wfile.write(head + data)

    def hear(self) -> bytes:
        """The next frame's content; empty once the other end has closed."""
        first = self.rfile.read(2)
        if len(first) < 2 or first[0] & 0xF == 0x8:
            return b""
        length = first[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        data = self.rfile.read(length)
        return bytes(each ^ mask[n % 4] for n, each in enumerate(data))


@pytest.fixture
def server() -> Iterator[Any]:
    found: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    found.requests, found.answers = [], {}
    threading.Thread(
        target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def api(server: Any) -> KubernetesApi:
    return KubernetesApi(client(server.server_port), "selfmonitor-shop")


def client(port: int) -> Any:
    from kubernetes.client.api_client import ApiClient
    from kubernetes.client.configuration import Configuration

    configuration = Configuration(host=f"http://127.0.0.1:{port}", retries=False)
    configuration.api_key["authorization"] = "Bearer t0ken"
    return ApiClient(configuration)


PODS = "/api/v1/namespaces/selfmonitor-shop/pods"
POD = f"{PODS}/redis-1"


def test_storage_classes_are_the_clusters(server: Any, api: KubernetesApi) -> None:
    path = "/apis/storage.k8s.io/v1/storageclasses"
    server.answers["GET", path] = (200, {"items": [{"metadata": {"name": "fast"}}]})
    assert api.storage_classes() == [{"metadata": {"name": "fast"}}]


def test_objects_are_looked_for_by_labels_with_the_persons_own_token(
    api: KubernetesApi, server: Any
) -> None:
    server.answers["GET", PODS] = (200, {"items": [{"metadata": {"name": "redis-1"}}]})
    assert api.find_all("pods", {"a": "b", "c": "d"}) == [{"metadata": {"name": "redis-1"}}]
    (request,) = server.requests
    assert request["query"] == [("labelSelector", "a=b,c=d")]
    assert request["token"] == "Bearer t0ken"


def test_what_is_not_there_is_none(api: KubernetesApi, server: Any) -> None:
    assert api.find("pods", "redis-1") is None
    assert api.patch("pods", "redis-1", {}) is None
    api.delete("pods", "redis-1")
    assert [each["method"] for each in server.requests] == ["GET", "PATCH", "DELETE"]


def test_a_change_is_merged_and_a_deletion_says_how_long_it_waits(
    api: KubernetesApi, server: Any
) -> None:
    server.answers["PATCH", POD] = (200, {"metadata": {"name": "redis-1"}})
    server.answers["DELETE", POD] = (200, {})
    api.patch("pods", "redis-1", {"metadata": {"labels": {"a": None}}})
    api.delete("pods", "redis-1", grace_seconds=0)
    patch, deletion = server.requests
    assert patch["type"] == "application/merge-patch+json"
    assert patch["body"] == {"metadata": {"labels": {"a": None}}}
    assert deletion["query"] == [("gracePeriodSeconds", "0")]


def test_objects_of_another_namespace_are_asked_for_there(api: KubernetesApi, server: Any) -> None:
    path = "/api/v1/namespaces/default/services/kubernetes"
    server.answers["GET", path] = (200, {"spec": {}})
    assert api.find("services", "kubernetes", "default") == {"spec": {}}


def test_a_refusal_is_told_in_the_servers_own_words(api: KubernetesApi, server: Any) -> None:
    message = 'pods is forbidden: User "me" cannot list resource "pods"'
    server.answers["GET", PODS] = (403, {"message": message})
    with pytest.raises(Refused, match="the API server refused: pods is forbidden") as caught:
        api.find_all("pods", {})
    assert caught.value.status == 403
    server.answers["GET", PODS] = (502, b"<html>")
    with pytest.raises(Refused, match="Bad Gateway"):
        api.find_all("pods", {})


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(OperationFailed, match=rf"127\.0\.0\.1:{port} does not answer") as caught:
        KubernetesApi(client(port), "x").version()
    assert "\n" not in str(caught.value)


def test_a_log_is_the_end_of_the_containers(api: KubernetesApi, server: Any) -> None:
    server.answers["GET", f"{POD}/log"] = (200, b"one\ntwo\n")
    assert b"".join(api.log("redis-1", "redis", tail=2, follow=True)) == b"one\ntwo\n"
    (request,) = server.requests
    assert dict(request["query"]) == {"container": "redis", "tailLines": "2", "follow": "true"}


# Commands.


def pod(api: KubernetesApi) -> Pod:
    manifest = {"metadata": {"name": "redis-1", "uid": "1"}}
    return Pod(api, "redis-1", "redis", manifest)


def carries(server: Any, *said: tuple[int, bytes], closes: bool = True) -> None:
    def carry(handler: Handler) -> None:
        for channel, data in said:
            handler.say(channel, data)
        if closes:
            handler.frame(0x8)

    server.answers["GET", f"{POD}/exec"] = (101, carry)


def test_a_command_says_what_it_says_and_how_it_ended(api: KubernetesApi, server: Any) -> None:
    big = bytes(range(256)) * 200
    carries(server, (1, big), (2, b"complaint"), (1, b"rest"), (3, FAILED))
    found = pod(api).exec_run(["look", "a b", "--x=1"], demux=True)
    assert found.exit_code == 7
    assert found.output == (big + b"rest", b"complaint")
    (request,) = server.requests
    assert request["query"] == [
        *(("container", "redis"), ("stdout", "true"), ("stderr", "true")),
        *(("command", word) for word in ("look", "a b", "--x=1")),
    ]
    assert request["token"] == "Bearer t0ken"


def test_a_command_that_succeeds_without_a_word(api: KubernetesApi, server: Any) -> None:
    carries(server, (3, ENDED))
    found = pod(api).exec_run(["true"])
    assert (found.exit_code, found.output) == (0, b"")


def test_a_connection_that_breaks_says_nothing_of_how_it_ended(
    api: KubernetesApi, server: Any
) -> None:
    carries(server, (1, b"begun"), closes=False)
    with pytest.raises(CannotBeAsked):
        pod(api).exec_run(["x"])
    assert list(pod(api).exec_run(["x"], stream=True).output) == [b"begun"]


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (400, {"message": "container redis is not running"}, "container redis is not running"),
        (403, {"message": "pods/exec is forbidden"}, "pods/exec is forbidden"),
        (502, b"<html>", "the API server answered with 502"),
    ],
)
def test_who_may_not_be_asked_is_told_why(
    api: KubernetesApi, server: Any, status: int, answer: Any, told: str
) -> None:
    server.answers["GET", f"{POD}/exec"] = (status, answer)
    with pytest.raises(CannotBeAsked, match=told):
        pod(api).exec_run(["x"])


def test_a_command_that_is_told_something(api: KubernetesApi, server: Any) -> None:
    def carry(handler: Handler) -> None:
        heard = handler.hear()
        assert heard[0] == 0
        handler.say(1, b"heard " + heard[1:])
        handler.say(3, ENDED)
        handler.frame(0x8)

    server.answers["GET", f"{POD}/exec"] = (101, carry)
    conversation = pod(api).converse(["write-inside"])
    conversation.send(b"s3cret\n")
    assert b"".join(conversation.said()) == b"heard s3cret\n"
    conversation.close()
    (request,) = server.requests
    assert ("stdin", "true") in request["query"]


def test_who_lets_go_of_a_command_ends_the_reading_in_another_thread(
    api: KubernetesApi, server: Any
) -> None:
    held = threading.Event()

    def carry(handler: Handler) -> None:
        handler.say(1, b"begun")
        held.wait(PATIENCE)

    server.answers["GET", f"{POD}/exec"] = (101, carry)
    conversation = pod(api).converse(["x"])
    said = conversation.said()
    assert next(said) == b"begun"
    threading.Timer(0.05, conversation.close).start()
    with pytest.raises(CannotBeAsked, match="the connection broke"):
        next(said)
    held.set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the container stopped, or the connection to it broke"),
        (b"{}", "the container stopped, or the connection to it broke"),
        (b'{"status": "Failure", "message": "OOM"}', "^OOM$"),
    ],
)
def test_no_word_of_the_end_is_no_exit_status(text: bytes, told: str) -> None:
    with pytest.raises(CannotBeAsked, match=told):
        exit_status(text)


# Forwarded ports.


def test_a_port_of_a_pod_is_a_connection(api: KubernetesApi, server: Any) -> None:
    def carry(handler: Handler) -> None:
        port = struct.pack("<H", 6379)
        handler.say(0, port)
        handler.say(1, port)
        while heard := handler.hear():
            handler.say(0, b"echo " + heard[1:])

    server.answers["GET", f"{POD}/portforward"] = (101, carry)
    connection = api.forward("redis-1", 6379)
    connection.settimeout(PATIENCE)
    connection.sendall(b"PING")
    assert connection.recv(100) == b"echo PING"
    connection.close()
    (request,) = server.requests
    assert request["query"] == [("ports", "6379")]


def test_a_pod_that_lets_nobody_in_is_told(api: KubernetesApi) -> None:
    with pytest.raises(OperationFailed, match="no way to port 6379 of redis-1"):
        api.forward("redis-1", 6379)
