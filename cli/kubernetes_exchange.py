"""A command that runs in a pod's container, over the API server."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cli.containers import CannotBeAsked

if TYPE_CHECKING:
    from kubernetes.stream.ws_client import WSClient

# Channels of the protocol (v4.channel.k8s.io and v5): what it says, and how it ended.
STDIN, STDOUT, STDERR, ENDED = 0, 1, 2, 3
# How long one look for more lasts: the client does not see an end that it does not look for.
LOOK_SECONDS = 5
# A connection whose other end has vanished is noticed after these.
KEEPALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Exchange:
    """See cli.containers.Conversation; besides, how the command ended."""

    def __init__(self, channels: "WSClient") -> None:
        self._channels = channels

    @classmethod
    def begin(cls, configuration: Any, url: str, headers: Mapping[str, str]) -> "Exchange":
        """Runs what the address says. Raises CannotBeAsked."""
        import websocket
        from kubernetes.stream.ws_client import WSClient, get_websocket_url

        try:
            channels = WSClient(
                configuration, get_websocket_url(url), headers, capture_all=False, binary=True
            )
        except websocket.WebSocketBadStatusException as error:
            raise CannotBeAsked(_refusal(error)) from None
        except (websocket.WebSocketException, OSError) as error:
            raise CannotBeAsked(str(error)) from None
        _keep_alive(channels.sock.sock)
        return cls(channels)

    def send(self, data: bytes) -> None:
        self._channels.write_channel(STDIN, data)

    def pieces(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """(standard output, standard error) as they come, either None; to the end.

        Raises CannotBeAsked when the connection breaks.
        """
        import websocket

        broken: Exception | None = None
        while broken is None:
            try:
                self._channels.update(timeout=LOOK_SECONDS)
            except (websocket.WebSocketException, OSError) as error:
                # What came before it broke is there all the same.
                broken = error
            out, complaint = self._read(STDOUT), self._read(STDERR)
            if out or complaint:
                yield out or None, complaint or None
            elif broken is None and not self._channels.is_open():
                return
        raise CannotBeAsked(f"the connection broke: {broken}")

    def _read(self, channel: int) -> bytes:
        import websocket

        try:
            return bytes(self._channels.read_channel(channel))
        except (websocket.WebSocketException, OSError):
            # It looks for more where there is nothing, and then sees that the connection is broken.
            return b""

    def said(self) -> Iterator[bytes]:
        for pieces in self.pieces():
            yield from (each for each in pieces if each)

    def status(self) -> int:
        """The command's exit status, once `pieces` has ended. Raises CannotBeAsked."""
        return exit_status(self._read(ENDED))

    def close(self) -> None:
        """At once, without a word of farewell; who reads in another thread then sees an end."""
        connection = self._channels.sock.sock
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def exit_status(text: bytes) -> int:
    """From the API's word for how a command ended. Raises CannotBeAsked where there is none."""
    try:
        found = json.loads(text)
        if found["status"] == "Success":
            return 0
        for cause in (found.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        reason = str(found.get("message") or found.get("reason"))
    except (ValueError, KeyError, TypeError):
        reason = "the container stopped, or the connection to it broke"
    raise CannotBeAsked(reason)


def _refusal(error: Any) -> str:
    """The API server's own word, where there is one."""
    try:
        return str(json.loads(error.resp_body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the API server answered with {error.status_code}"


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        # Not every system has each of them.
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
