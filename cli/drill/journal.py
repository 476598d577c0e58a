"""What a writer remembers of a run: every acknowledgement, every doubt, every error."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class Outcome(IntEnum):
    """What became of one statement, as far as its client knows."""

    SENT = 0
    """No answer yet; at the end of the run that means unknown."""
    ACKNOWLEDGED = 1
    UNKNOWN = 2
    """It failed or was cut off in a way that leaves open whether the row is there."""
    REFUSED = 3
    """The server said that it did not do it."""


@dataclass(frozen=True)
class ClientError:
    """An error as a client saw it, without what differs from one time to the next.

    `code`: the server's own, e.g. an SQLSTATE or READONLY; None if it did not come from one.
    """

    type: str
    code: str | None
    message: str


@dataclass(frozen=True)
class ClientJournal:
    """One client's memory: 17 bytes an acknowledged row.

    `path`: the way in that it took. `outcomes` has one byte (an Outcome) for each sequence
    number from 0. `sent_at` and `acked_at` have one monotonic time in seconds for each
    acknowledged row, in its order.
    """

    path: str
    outcomes: bytes
    sent_at: "array[float]"  # quoted: Python 3.11 cannot subscript array
    acked_at: "array[float]"


@dataclass(frozen=True)
class Journal:
    """All clients' memory of one run, and how often each error was seen by any of them."""

    clients: tuple[ClientJournal, ...]
    errors: dict[ClientError, int]

    def paths(self) -> list[str]:
        """The ways in that were taken, each once."""
        return list(dict.fromkeys(client.path for client in self.clients))

    def acknowledged_at(self, path: str | None = None) -> list[float]:
        """The monotonic time of every acknowledgement by any client, or by any on one path,
        in order.
        """
        return sorted(
            moment
            for client in self.clients
            if path in (None, client.path)
            for moment in client.acked_at
        )

    def latencies(self, path: str, until: float) -> list[float]:
        """Seconds from sending to acknowledgement, of that path's rows acknowledged by then."""
        return [
            acked - sent
            for client in self.clients
            if client.path == path
            for sent, acked in zip(client.sent_at, client.acked_at, strict=True)
            if acked <= until
        ]

    def sent_and_acknowledged(self) -> Iterator[tuple[float, float]]:
        """The monotonic times (sent, acknowledged) of every acknowledged row."""
        for client in self.clients:
            yield from zip(client.sent_at, client.acked_at, strict=True)
