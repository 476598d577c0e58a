"""An independent application that writes all the while and remembers what it was told.

Each client writes one row at a time and never uses a sequence number twice, so that after the
run each number stands for exactly one statement, whose fate can be looked up.
"""

import threading
import time
from array import array
from collections import Counter
from collections.abc import Sequence

from cli.drill.journal import ClientError, ClientJournal, Journal, Outcome
from cli.drill.store import Session, StoreError, Way

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

STOPPED_WHILE_WAITING = ClientError("Hung", None, "no answer until the writer was stopped")


class Writer:
    """A client for each way, writing until told to stop. Used once."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._stopping = threading.Event()
        self._clients = [_Client(way, number, self._stopping) for number, way in enumerate(ways)]

    def start(self) -> None:
        """Lets the clients begin; returns at once."""
        for client in self._clients:
            client.start()

    @property
    def acknowledged(self) -> int:
        """How many rows have been acknowledged so far."""
        return sum(len(client.acked_at) for client in self._clients)

    def answered_since(self, moment: float) -> bool:
        """Whether a row sent at that monotonic time or later has been acknowledged on every
        path.
        """
        answered = {
            client.path
            for client in self._clients
            if client.sent_at and client.sent_at[-1] >= moment
        }
        return answered == {client.path for client in self._clients}

    def stop(self) -> Journal:
        """Stops all clients and returns what they remember.

        Takes at most ANSWER + CANCEL + SHUT seconds: a commit that waits for a standby that
        will not come is cancelled first, and then cut off. Raises what a client died of, if
        it was no StoreError.
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
    """One session's worth of writing."""

    def __init__(self, way: Way, number: int, stopping: threading.Event) -> None:
        super().__init__(name=f"drill-writer-{number}", daemon=True)
        self.path = way.path
        self._way = way
        self._stopping = stopping
        self._session: Session | None = None
        # Held while the session is closed or cut: its descriptor may belong to something
        # else right after it is closed.
        self._closing = threading.Lock()
        self._given_up = False
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
                if self._session is None:
                    self._session = self._way.open()
                if not self._stopping.is_set():
                    self._insert(self._session)
            except StoreError as error:
                self.errors[STOPPED_WHILE_WAITING if self._given_up else error.seen] += 1
                self._drop()
                self._stopping.wait(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)
            else:
                backoff = FIRST_BACKOFF_SECONDS
                self._stopping.wait(max(0.0, began + PACE_SECONDS - time.monotonic()))

    def _insert(self, session: Session) -> None:
        seq = len(self._outcomes)
        self._outcomes.append(Outcome.SENT)
        sent_at = time.monotonic()
        try:
            doubt = session.insert(seq)
        except StoreError as error:
            self._outcomes[seq] = Outcome.REFUSED if error.refused else Outcome.UNKNOWN
            raise
        acked_at = time.monotonic()
        if doubt is not None:
            self._outcomes[seq] = Outcome.UNKNOWN
            self.errors[doubt] += 1
            return
        self._outcomes[seq] = Outcome.ACKNOWLEDGED
        # acked_at first: answered_since() and journal() read from another thread, and a row
        # counts once its sent_at is there.
        self.acked_at.append(acked_at)
        self.sent_at.append(sent_at)

    def _drop(self) -> None:
        with self._closing:
            if self._session is not None:
                self._session.close()
                self._session = None

    def cancel(self) -> None:
        """Asks the server to give up the statement in flight, if there is one."""
        session = self._session
        if session is not None and self.is_alive():
            self._given_up = True
            session.cancel(CANCEL_SECONDS)

    def cut(self) -> None:
        """Ends the statement in flight whether the server answers or not."""
        with self._closing:
            if self._session is not None:
                self._given_up = True
                self._session.cut()

    def journal(self) -> ClientJournal:
        """A copy, so that a client which would not end cannot change what is counted."""
        sent_at = self.sent_at[:]
        acked_at = self.acked_at[: len(sent_at)]
        return ClientJournal(self.path, bytes(self._outcomes), sent_at, acked_at)
