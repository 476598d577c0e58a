"""What the drill needs of a database that it writes to: rows in, rows back, and clear errors."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cli.drill.journal import ClientError

RETRY_SECONDS = 0.5
MESSAGE_LENGTH = 200

Found = TypeVar("Found")


class StoreError(Exception):
    """The database, or the way to it, said no. The text is the message in full.

    `refused`: what was asked for was certainly not done. Otherwise it is not known whether it
    was.
    """

    def __init__(
        self, type_: str, code: str | None, message: str, *, refused: bool = False
    ) -> None:
        super().__init__(message.strip())
        self.seen = ClientError(type_, code, first_line(message))
        self.refused = refused


def first_line(message: str) -> str:
    """What is kept of a message: enough to know it again."""
    return message.strip().partition("\n")[0][:MESSAGE_LENGTH]


class Session(Protocol):
    """One client's connection, of one run. `cancel` and `cut` are called from other threads
    while `insert` waits; they and `close` never raise.
    """

    def insert(self, seq: int) -> ClientError | None:
        """Writes one row and waits for the acknowledgement. Returns why an acknowledgement is
        not to be relied on, None if it is. Raises StoreError.
        """

    def cancel(self, seconds: float) -> None:
        """Asks the server to give up the row in flight; takes that long at most."""

    def cut(self) -> None:
        """Makes the row in flight fail at once, whether the server answers or not."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Way:
    """How one client gets in. `path`: the name of the way; `open` raises StoreError."""

    path: str
    open: Callable[[], Session]


class Store(Protocol):
    """Where a drill's rows are. Every method but `ways` raises StoreError."""

    @property
    def name(self) -> str:
        """What is left behind if it cannot be dropped, in a few words."""

    def ways(self, run: str, clients: int) -> Sequence[Way]:
        """One for each client of a run, every path at least once."""

    def create(self) -> None:
        """Makes sure that there is somewhere to write to, and that it can be reached."""

    def drop(self) -> None:
        """Takes away everything that any drill wrote."""

    def rows(self, run: str) -> list[tuple[int, int]]:
        """Every row of that run as (client, seq), in no particular order."""


def patiently(
    attempt: Callable[[], Found], within_seconds: float, sleep: Callable[[float], None]
) -> Found:
    """What the attempt returns. Tries again on an error until the time is up, then raises the last
    StoreError.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            return attempt()
        except StoreError:
            if time.monotonic() >= deadline:
                raise
            sleep(RETRY_SECONDS)


def read_back(
    store: Store, run: str, within_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> list[tuple[int, int]]:
    """Every row of that run; see patiently."""
    return patiently(lambda: store.rows(run), within_seconds, sleep)
