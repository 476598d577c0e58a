"""Clients that commit one row at a time, and know of each when it was committed.

The time of a commit is the server's own (`pg_xact_commit_timestamp`), asked in a second statement
once the commit is acknowledged: it is the time that a recovery to a point in time goes by.
"""

import datetime
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

TABLE = "selfmonitor_commits"
CREATE = f"CREATE TABLE IF NOT EXISTS {TABLE} (id bigint PRIMARY KEY, client int NOT NULL)"
DROP = f"DROP TABLE IF EXISTS {TABLE}"
# xid: commit timestamps are kept by it.
INSERT = f"INSERT INTO {TABLE} VALUES (%s, %s) RETURNING pg_current_xact_id()::xid::text"
COMMITTED = "SELECT pg_xact_commit_timestamp(%s::xid)"
READ = f"SELECT id FROM {TABLE}"
READ_TIMES = f"SELECT id, pg_xact_commit_timestamp(xmin) FROM {TABLE}"

# Ids of one client are below those of the next.
IDS_OF_A_CLIENT = 10**9
PACE_SECONDS = 0.01
BACKOFF_SECONDS = 0.2
CONNECT_SECONDS = 5
STOP_SECONDS = 15.0
# Of two commits at the same moment the later one may be written first.
ORDER_SECONDS = 0.1

Connect = Callable[[], "psycopg.Connection[Any]"]


@dataclass(frozen=True)
class Commit:
    """An acknowledged commit. acked: time.time() of the acknowledgement; committed: the server's
    time, None where the connection broke before it was told.
    """

    id: int
    acked: float
    committed: datetime.datetime | None


def connector(conninfo: Mapping[str, str]) -> Connect:
    """Connects as an application does. conninfo: what it gives to libpq."""
    arguments: dict[str, Any] = {**conninfo, "connect_timeout": CONNECT_SECONDS}

    def connect() -> "psycopg.Connection[Any]":
        # The router pools by transaction: nothing may be prepared on a server connection.
        return psycopg.connect(**arguments, autocommit=True, prepare_threshold=None)

    return connect


class Clients:
    """So many clients, committing until told to stop. Used once.

    pace: seconds from the begin of one commit to the next, 0 for as fast as it goes.
    ask_time: whether the time of each commit is asked for; it costs a statement.
    first_id: of the first client.
    """

    def __init__(
        self,
        connect: Connect,
        clients: int,
        *,
        pace: float = PACE_SECONDS,
        ask_time: bool = True,
        first_id: int = 0,
    ) -> None:
        self._connect = connect
        self._pace = pace
        self._ask_time = ask_time
        self._first_id = first_id
        self._stopping = threading.Event()
        self._commits: list[list[Commit]] = [[] for _ in range(clients)]
        self._sent: list[int] = [0] * clients
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Returns when they have stopped; one that waits for an answer that does not come is left
        to itself, and what it is told from then on is not kept.
        """
        self._stopping.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def acknowledged(self) -> list[Commit]:
        """Every acknowledged commit so far, in no particular order."""
        return [commit for each in self._commits for commit in list(each)]

    @property
    def sent(self) -> int:
        """How many rows were sent, acknowledged or not."""
        return sum(self._sent)

    def _write(self, client: int) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if connection is None:
                    connection = self._connect()
                self._commit(connection, client)
            except (psycopg.Error, OSError):
                if connection is not None:
                    with suppress(psycopg.Error, OSError):
                        connection.close()
                connection = None
                self._stopping.wait(BACKOFF_SECONDS)
            else:
                self._stopping.wait(max(0.0, began + self._pace - time.monotonic()))
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                connection.close()

    def _commit(self, connection: "psycopg.Connection[Any]", client: int) -> None:
        # Never used twice: a number whose fate is unknown is not tried again.
        number = self._first_id + client * IDS_OF_A_CLIENT + self._sent[client]
        self._sent[client] += 1
        row = connection.execute(INSERT, (number, client)).fetchone()
        acked = time.time()
        committed = None
        try:
            if self._ask_time and row is not None:
                found = connection.execute(COMMITTED, (row[0],)).fetchone()
                committed = found[0] if found else None
        finally:
            # Acknowledged, whatever becomes of the second statement.
            if not self._stopping.is_set():
                self._commits[client].append(Commit(number, acked, committed))


def prepare(connect: Connect) -> None:
    """An empty table for them."""
    with connect() as connection:
        connection.execute(DROP)
        connection.execute(CREATE)


def remove(connect: Connect) -> None:
    """Takes the table away."""
    with connect() as connection:
        connection.execute(DROP)


def rows(connect: Connect) -> set[int]:
    """The ids that are there."""
    with connect() as connection:
        return {row[0] for row in connection.execute(READ)}


def commit_times(connect: Connect) -> dict[int, datetime.datetime]:
    """{id: when it was committed} of all that is there, unacknowledged rows included."""
    with connect() as connection:
        return {row[0]: row[1] for row in connection.execute(READ_TIMES)}


def committed_by(times: Mapping[int, datetime.datetime], moment: datetime.datetime) -> set[int]:
    """What had been committed by then, that very microsecond included, as a recovery counts."""
    return {number for number, committed in times.items() if committed <= moment}


@dataclass(frozen=True)
class Loss:
    """What a recovery cost. lost: acknowledged commits that are not there. holes: those of them
    that are older than a commit that is. seconds: from the last recovered commit to the last
    acknowledged one; None when there is nothing to compare.
    """

    acked: int
    recovered: int
    lost: int
    holes: int
    seconds: float | None


def loss(acknowledged: Iterable[Commit], there: set[int]) -> Loss:
    """Compares what was acknowledged with what is there."""
    acked = list(acknowledged)
    # A commit of which nobody told the time was acknowledged right after it.
    times = {
        each.id: each.committed.timestamp() if each.committed else each.acked for each in acked
    }
    kept = [each for each in acked if each.id in there]
    lost = [each for each in acked if each.id not in there]
    newest = max((times[each.id] for each in kept), default=None)
    last = max(times.values(), default=None)
    return Loss(
        acked=len(acked),
        recovered=len(kept),
        lost=len(lost),
        holes=sum(newest is not None and times[each.id] < newest - ORDER_SECONDS for each in lost),
        seconds=None if newest is None or last is None else max(0.0, last - newest),
    )
