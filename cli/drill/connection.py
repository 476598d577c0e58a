"""How the drill talks to the database: as an application does, but never waiting for ever."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import psycopg
from psycopg.errors import Diagnostic

from cli.drill.target import Cluster

CONNECT_TIMEOUT_SECONDS = 2


class Connection(Protocol):
    """The part of psycopg.Connection that the drill uses."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...
    def add_notice_handler(self, callback: Callable[[Diagnostic], None]) -> None: ...
    def cancel_safe(self, *, timeout: float = ...) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


Connect = Callable[[], Connection]
"""Opens a new autocommitting connection; raises psycopg.Error."""


def connector(cluster: Cluster) -> Connect:
    """Opens connections the way an application of this cluster does, through its router."""
    conninfo: dict[str, Any] = {
        **cluster.conninfo(),
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "selfmonitor-drill",
    }

    def connect() -> Connection:
        # The router pools by transaction: a statement prepared on one server connection does
        # not exist on the next one.
        return psycopg.connect(**conninfo, autocommit=True, prepare_threshold=None)

    return connect


def shut(connection: Connection) -> None:
    """Cuts the connection's socket from another thread, so that a statement that waits on it
    raises at once. Connection.close() would free what the other thread is using.
    """
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as handle,
    ):
        handle.shutdown(socket.SHUT_RDWR)


@contextmanager
def brief(connect: Connect, seconds: float) -> Iterator[Connection]:
    """A connection that is cut after that many seconds, whatever it waits for by then.

    A commit that waits for a synchronous standby has no time-out of its own. Raises
    psycopg.Error, which is also what the cut looks like.
    """
    connection = connect()
    timer = threading.Timer(seconds, shut, args=(connection,))
    timer.daemon = True
    timer.start()
    try:
        yield connection
    finally:
        timer.cancel()
        timer.join()  # a cut that has begun must not meet a descriptor that close() gave away
        connection.close()
