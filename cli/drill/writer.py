"""An independent application that writes all the while and remembers what it was told.

Each client commits one row at a time and never uses a sequence number twice, so that after the
run each number stands for exactly one statement, whose fate can be looked up.
"""

import threading
import time
from array import array
from collections import Counter
from contextlib import suppress

import psycopg
from psycopg.errors import Diagnostic

from cli.drill import table
from cli.drill.connection import Connect, Connection, shut
from cli.drill.journal import ClientError, ClientJournal, Journal, Outcome

PACE_SECONDS = 0.01
"""A client starts a statement at most this often: steady load, not a benchmark."""
FIRST_BACKOFF_SECONDS = 0.02
LAST_BACKOFF_SECONDS = 0.25

ANSWER_SECONDS = 2.0
"""How long a statement may take to answer once the writer is told to stop."""
CANCEL_SECONDS = 3.0
"""How long the server may take to let go of a statement that was cancelled."""
SHUT_SECONDS = 3.0
"""How long a client may take to notice that its socket is cut; above the connect time-out."""

REFUSED_SQLSTATES = frozenset({"25006"})
"""read_only_sql_transaction: a standby answered. Any other error may come after the commit."""

STOPPED_WHILE_WAITING = ClientError("Hung", None, "no answer until the writer was stopped")

MESSAGE_LENGTH = 200


class Writer:
    """Some clients that write through `connect` until told to stop. Used once."""

    def __init__(self, connect: Connect, run: str, clients: int) -> None:
        self._stopping = threading.Event()
        self._clients = [_Client(connect, run, number, self._stopping) for number in range(clients)]

    def start(self) -> None:
        """Lets the clients begin; returns at once."""
        for client in self._clients:
            client.start()

    @property
    def acknowledged(self) -> int:
        """How many rows have been acknowledged so far."""
        return sum(len(client.acked_at) for client in self._clients)

    def answered_since(self, moment: float) -> bool:
        """Whether a statement sent at that monotonic time or later has been acknowledged."""
        return any(client.sent_at and client.sent_at[-1] >= moment for client in self._clients)

    def stop(self) -> Journal:
        """Stops all clients and returns what they remember.

        Takes at most ANSWER + CANCEL + SHUT seconds: a commit that waits for a standby that
        will not come is cancelled first, and then cut off. Raises what a client died of, if
        it was no database error.
        """
        self._stopping.set()
        if not self._all_ended(ANSWER_SECONDS):
            for client in self._clients:
                # Each in its own thread: a cancel request goes to the server, and may hang too.
                threading.Thread(target=client.cancel, daemon=True).start()
            if not self._all_ended(CANCEL_SECONDS):
                for client in self._clients:
                    client.cut()
                self._all_ended(SHUT_SECONDS)
        for client in self._clients:
            if client.crash is not None:
                raise client.crash
        errors: Counter[ClientError] = Counter()
        for client in self._clients:
            errors.update(client.errors.copy())
        return Journal(tuple(client.journal() for client in self._clients), dict(errors))

    def _all_ended(self, within_seconds: float) -> bool:
        deadline = time.monotonic() + within_seconds
        for client in self._clients:
            if client.is_alive():
                client.join(max(0.0, deadline - time.monotonic()))
        return not any(client.is_alive() for client in self._clients)


class _Client(threading.Thread):
    """One connection's worth of writing."""

    def __init__(self, connect: Connect, run: str, number: int, stopping: threading.Event) -> None:
        super().__init__(name=f"drill-writer-{number}", daemon=True)
        self._connect = connect
        self._run = run
        self._number = number
        self._stopping = stopping
        self._connection: Connection | None = None
        # Held while the connection is closed or cut: its descriptor may belong to something
        # else right after it is closed.
        self._closing = threading.Lock()
        self._given_up = False
        self._doubt: ClientError | None = None
        self._outcomes = bytearray()
        self.sent_at: array[float] = array("d")
        self.acked_at: array[float] = array("d")
        self.errors: Counter[ClientError] = Counter()
        self.crash: Exception | None = None

    def run(self) -> None:
        try:
            self._write_until_stopped()
        except Exception as error:  # noqa: BLE001 - a thread's death must not pass in silence
            self.crash = error
        finally:
            self._drop()

    def _write_until_stopped(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                connection = self._connection or self._open()
                if not self._stopping.is_set():
                    self._insert(connection)
            except psycopg.Error as error:
                self._note(error)
                self._drop()
                self._stopping.wait(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)
            else:
                backoff = FIRST_BACKOFF_SECONDS
                self._stopping.wait(max(0.0, began + PACE_SECONDS - time.monotonic()))

    def _open(self) -> Connection:
        connection = self._connect()
        connection.add_notice_handler(self._notice)
        self._connection = connection
        return connection

    def _insert(self, connection: Connection) -> None:
        seq = len(self._outcomes)
        self._doubt = None
        self._outcomes.append(Outcome.SENT)
        sent_at = time.monotonic()
        try:
            connection.execute(table.INSERT, (self._run, self._number, seq))
        except psycopg.Error as error:
            refused = error.sqlstate in REFUSED_SQLSTATES
            self._outcomes[seq] = Outcome.REFUSED if refused else Outcome.UNKNOWN
            raise
        acked_at = time.monotonic()
        if self._doubt is not None:
            self._outcomes[seq] = Outcome.UNKNOWN
            self.errors[self._doubt] += 1
            return
        self._outcomes[seq] = Outcome.ACKNOWLEDGED
        # acked_at first: answered_since() and journal() read from another thread, and a row
        # counts once its sent_at is there.
        self.acked_at.append(acked_at)
        self.sent_at.append(sent_at)

    def _notice(self, notice: Diagnostic) -> None:
        # A cancelled wait for a standby is answered like a success, yet the row is only on
        # the primary and may be lost with it (patroni #1412).
        message = notice.message_primary or ""
        if "cancel" in message and "synchronous replication" in message:
            # Taken down at once: the notice is empty when its handler has returned.
            self._doubt = ClientError("Warning", notice.sqlstate, _first_line(message))

    def _note(self, error: psycopg.Error) -> None:
        if self._given_up:
            self.errors[STOPPED_WHILE_WAITING] += 1
        else:
            message = _first_line(str(error))
            self.errors[ClientError(type(error).__name__, error.sqlstate, message)] += 1

    def _drop(self) -> None:
        with self._closing:
            if self._connection is not None:
                with suppress(psycopg.Error, OSError):
                    self._connection.close()
                self._connection = None

    def cancel(self) -> None:
        """Asks the server to give up the statement in flight, if there is one."""
        connection = self._connection
        if connection is not None and self.is_alive():
            self._given_up = True
            with suppress(psycopg.Error, OSError):
                connection.cancel_safe(timeout=CANCEL_SECONDS)

    def cut(self) -> None:
        """Ends the statement in flight whether the server answers or not."""
        with self._closing:
            if self._connection is not None:
                self._given_up = True
                shut(self._connection)

    def journal(self) -> ClientJournal:
        """A copy, so that a client which would not end cannot change what is counted."""
        sent_at = self.sent_at[:]
        return ClientJournal(bytes(self._outcomes), sent_at, self.acked_at[: len(sent_at)])


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:MESSAGE_LENGTH]
