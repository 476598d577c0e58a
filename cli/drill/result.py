"""What one run, and a campaign of runs, came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cli.drill.account import LostRow
from cli.drill.inside import InsideAccount
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
class PathResult:
    """What the clients on one way in saw: their longest silence, and `latencies`, how many
    seconds each row took to be acknowledged before the injection.
    """

    outage: Outage
    latencies: tuple[float, ...]


@dataclass(frozen=True)
class RunResult:
    """One fault, injected once. Times in seconds relative to the injection, which is the
    moment just before the first thing was broken.

    `failure` says what went wrong with the run, if anything: the fault could not be made or
    undone, the cluster did not recover, the rows could not be read back. `lost` and
    `unknown_found` are None if the rows could not be read back. `unreplicated` counts commits
    acknowledged while no standby was there, None for faults that leave one. `failovers` counts
    changes of primary seen while the fault held, None for faults that may cause them. `inside`
    is what a primary that was cut off accepted meanwhile, None for faults that do not ask.
    `restored_after` is when writing went on on every path and the service was healthy, None if
    never. `paths`: by the name of the path.
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
    paths: Mapping[str, PathResult]
    acked: int
    lost: int | None
    unknown: int
    unknown_found: int | None
    unreplicated: int | None
    failovers: int | None
    inside: InsideAccount | None
    errors: dict[ClientError, int]
    lost_rows: tuple[LostRow, ...]
    marks: tuple[Mark, ...]
    rate: Rate

    @property
    def worst_path(self) -> str:
        """The path with the longest outage."""
        return max(self.paths, key=lambda path: self.paths[path].outage.seconds)

    @property
    def outage(self) -> Outage:
        """The longest outage on any path: that of the run."""
        return self.paths[self.worst_path].outage


@dataclass(frozen=True)
class Campaign:
    """All runs of one call. `wait` and `keeps_acknowledged`: see Service. `ended_early`: why runs
    that were planned did not take place; `interrupted`: because somebody stopped it; `leftover`:
    why the drill's rows are still there; `unhealed`: what could not be undone of the run that was
    interrupted.
    """

    service: str
    wait: int
    keeps_acknowledged: bool
    stack: str
    started_at: datetime
    clients: int
    runs_planned: int
    runs: tuple[RunResult, ...]
    ended_early: str | None = None
    interrupted: bool = False
    leftover: str | None = None
    unhealed: str | None = None

    @property
    def title(self) -> str:
        """What was drilled, and where."""
        waiting = f" --wait {self.wait}" if self.wait else ""
        return f"drill {self.service}{waiting}, stack {self.stack}"
