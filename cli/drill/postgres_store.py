"""A table in PostgreSQL as the drill's store: written to as an application does, but never
waiting for ever.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Protocol

import psycopg
from psycopg.errors import Diagnostic

from cli.drill.journal import ClientError
from cli.drill.store import StoreError, Way, first_line

PATH = "router"
TABLE = "selfmonitor_drill"

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    run text,
    client int,
    seq bigint,
    written_at timestamptz DEFAULT clock_timestamp(),
    PRIMARY KEY (run, client, seq)
)"""
INSERT = f"INSERT INTO {TABLE} (run, client, seq) VALUES (%s, %s, %s)"
SELECT = f"SELECT client, seq FROM {TABLE} WHERE run = %s"
DROP = f"DROP TABLE IF EXISTS {TABLE}"

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_SECONDS = 30.0
"""More than any statement but INSERT takes on a working cluster."""

REFUSED_SQLSTATES = frozenset({"25006"})
"""read_only_sql_transaction: a standby answered."""
LEAVING = "server shutting down"
"""PgBouncer's word, when it stops in order, for a statement that it has passed to no server. Any
other error may come after the commit."""


class Connection(Protocol):
    """The part of psycopg.Connection that the drill uses."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...
    def add_notice_handler(self, callback: Callable[[Diagnostic], None]) -> None: ...
    def cancel_safe(self, *, timeout: float = ...) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


Connect = Callable[[], Connection]
"""Opens a new autocommitting connection; raises psycopg.Error."""


def connector(conninfo: dict[str, str]) -> Connect:
    """Opens connections the way an application does. `conninfo`: what it gives to libpq."""
    arguments: dict[str, Any] = {
        **conninfo,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "selfmonitor-drill",
    }

    def connect() -> Connection:
        # The router pools by transaction: a statement prepared on one server connection does
        # not exist on the next one.
        return psycopg.connect(**arguments, autocommit=True, prepare_threshold=None)

    return connect


class PostgresStore:
    """A table made by the application's owner, gone when the drill ends. See Store."""

    name = f"table {TABLE}"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def ways(self, run: str, clients: int) -> list[Way]:
        return [
            Way(PATH, partial(PostgresSession, self._connect, run, client))
            for client in range(clients)
        ]

    def create(self) -> None:
        """Makes the table, or keeps the one that a killed drill left."""
        self._execute(CREATE)

    def drop(self) -> None:
        self._execute(DROP)

    def rows(self, run: str) -> list[tuple[int, int]]:
        with _translated(), brief(self._connect, STATEMENT_SECONDS) as connection:
            rows: list[tuple[int, int]] = connection.execute(SELECT, (run,)).fetchall()
            return rows

    def _execute(self, statement: str) -> None:
        with _translated(), brief(self._connect, STATEMENT_SECONDS) as connection:
            connection.execute(statement)


class PostgresSession:
    """A connection that inserts the rows of one client. See Session."""

    def __init__(self, connect: Connect, run: str, client: int) -> None:
        self._run = run
        self._client = client
        self._doubt: ClientError | None = None
        with _translated():
            self._connection = connect()
        self._connection.add_notice_handler(self._notice)

    def insert(self, seq: int) -> ClientError | None:
        self._doubt = None
        with _translated():
            self._connection.execute(INSERT, (self._run, self._client, seq))
        return self._doubt

    def _notice(self, notice: Diagnostic) -> None:
        # A cancelled wait for a standby is answered like a success, yet the row is only on
        # the primary and may be lost with it (patroni #1412).
        message = notice.message_primary or ""
        if "cancel" in message and "synchronous replication" in message:
            # Taken down at once: the notice is empty when its handler has returned.
            self._doubt = ClientError("Warning", notice.sqlstate, first_line(message))

    def cancel(self, seconds: float) -> None:
        with suppress(psycopg.Error, OSError):
            self._connection.cancel_safe(timeout=seconds)

    def cut(self) -> None:
        shut(self._connection)

    def close(self) -> None:
        with suppress(psycopg.Error, OSError):
            self._connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(
            type(error).__name__,
            error.sqlstate,
            str(error),
            refused=error.sqlstate in REFUSED_SQLSTATES or is_leaving(error),
        ) from error


def is_leaving(error: psycopg.Error) -> bool:
    """Whether a router that is about to stop has refused a statement."""
    return isinstance(error, psycopg.errors.ProtocolViolation) and LEAVING in str(error)


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
