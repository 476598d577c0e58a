"""What one run, and a campaign of runs, came to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cli.drill.account import LostRow
from cli.drill.journal import ClientError
from cli.drill.outage import Outage, Rate


class MarkKind(StrEnum):
    """The events that a picture of a run shows."""

    INJECTION = "injection"
    HEALING = "healing"
    PROMOTION = "promotion"


@dataclass(frozen=True)
class Mark:
    """Something that happened, `at` seconds after the injection. A promotion is marked when
    it was first seen, which is up to half a second after it happened.
    """

    kind: MarkKind
    at: float
    label: str


@dataclass(frozen=True)
class RunResult:
    """One fault, injected once. Times in seconds relative to the injection, which is the
    moment just before the first thing was broken.

    `failure` says what went wrong with the run, if anything: the fault could not be made or
    undone, the cluster did not recover, the rows could not be read back. `lost` and
    `unknown_found` are None if the rows could not be read back. `unreplicated` counts commits
    acknowledged while no standby was there, None for faults that leave one. `restored_after`
    is when writing went on and all members were healthy on one timeline, None if never.
    """

    kind: str
    number: int
    run_id: str
    started_at: datetime
    failure: str | None
    recovered: bool
    restored_after: float | None
    primary_before: str | None
    primary_after: str | None
    outage: Outage
    acked: int
    lost: int | None
    unknown: int
    unknown_found: int | None
    unreplicated: int | None
    errors: dict[ClientError, int]
    lost_rows: tuple[LostRow, ...]
    marks: tuple[Mark, ...]
    rate: Rate


@dataclass(frozen=True)
class Campaign:
    """All runs of one call. `ended_early`: why runs that were planned did not take place;
    `interrupted`: because somebody stopped it; `leftover`: why the drill's table is still
    there; `unhealed`: what could not be undone of the run that was interrupted.
    """

    stack: str
    started_at: datetime
    clients: int
    runs_planned: int
    runs: tuple[RunResult, ...]
    ended_early: str | None = None
    interrupted: bool = False
    leftover: str | None = None
    unhealed: str | None = None
