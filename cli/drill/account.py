"""Settles what a writer was told against the rows that are really there."""

from collections.abc import Iterable
from dataclasses import dataclass

from cli.drill.journal import Journal, Outcome

LOST_ROWS_NAMED = 10
"""Enough to see from which moment rows are missing."""


@dataclass(frozen=True)
class LostRow:
    """A row that was acknowledged and is not there. `acked_at`: monotonic seconds."""

    client: int
    seq: int
    acked_at: float


@dataclass(frozen=True)
class Account:
    """Numbers of rows.

    `lost` were acknowledged and are absent. `unknown` were sent and never answered for or
    against; `unknown_found` are the rows that are there without an acknowledgement, which is
    allowed. `lost_rows` names the first few lost ones.
    """

    acked: int
    lost: int
    unknown: int
    unknown_found: int
    lost_rows: tuple[LostRow, ...]


def settle(journal: Journal, rows: Iterable[tuple[int, int]]) -> Account:
    """Compares the journal with the rows (client, seq) that were read back."""
    present = [bytearray(len(client.outcomes)) for client in journal.clients]
    unannounced = 0
    for client, seq in rows:
        if seq < len(present[client]):
            present[client][seq] = 1
        else:
            # A client that could not be stopped in time went on writing.
            unannounced += 1
    acked = unknown = lost = 0
    unknown_found = unannounced
    lost_rows: list[LostRow] = []
    for number, client_journal in enumerate(journal.clients):
        acked_at = iter(client_journal.acked_at)
        for seq, outcome in enumerate(client_journal.outcomes):
            there = present[number][seq]
            if outcome == Outcome.ACKNOWLEDGED:
                acked += 1
                moment = next(acked_at, float("nan"))
                if not there:
                    lost += 1
                    lost_rows.append(LostRow(number, seq, moment))
            else:
                unknown += outcome != Outcome.REFUSED
                unknown_found += there
    lost_rows.sort(key=lambda row: row.acked_at)
    return Account(acked, lost, unknown, unknown_found, tuple(lost_rows[:LOST_ROWS_NAMED]))
