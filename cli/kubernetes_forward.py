"""A port of this machine that leads to a pod's, by way of the API server."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cli.errors import OperationFailed

BUFFER_BYTES = 65536
HOST = "127.0.0.1"


class Forward:
    """Listens on `port` of this machine as long as the process lives.

    connect: opens a connection to the pod, one for each that comes in. Raises OperationFailed;
    then the one that came in is closed, as a server that is gone would do.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        _begin(self._accept)

    def close(self) -> None:
        """Takes no more connections; those there are live on."""
        # Closing alone would not wake the one that waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            _begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OperationFailed:
            client.close()
            return
        _begin(_pump, server, client)
        _pump(client, server)


def _begin(act: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=act, args=arguments, daemon=True).start()


def _pump(source: Any, target: Any) -> None:
    """Until one of them ends; then both have."""
    with suppress(OSError):
        while data := source.recv(BUFFER_BYTES):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
