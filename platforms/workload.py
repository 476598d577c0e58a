"""The vocabulary in which a component says what a platform must run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Commands that only look at a running stack use these names too, and need not wait for the SDK.
    import pulumi

# Where a workload finds its files on every platform, one flat folder.
FILES_DIRECTORY = "/etc/selfmonitor"
# Every image has this unprivileged user and this group.
USER_ID = 10001


class Segment(Enum):
    """A part of the network. A workload joins only the segments it needs.

    The order fixes each segment's share of a stack's addresses: new ones go to the end.
    """

    DATA = "data"
    CACHE = "cache"
    BACKUP = "backup"
    MONITORING = "monitoring"
    ACCESS = "access"
    # The second region, and where restored data is looked at: neither sees the running databases.
    REMOTE = "remote"
    RESTORE = "restore"

    @property
    def open_to_clients(self) -> bool:
        """Whether ports may be published from it; all others have no way out of the machine."""
        return self is Segment.ACCESS


@dataclass(frozen=True)
class Port:
    """A port a workload listens on.

    `published` holds the port on the outside for each replica, in order; empty: not published.
    """

    name: str
    number: int
    published: tuple[int, ...] = ()


@dataclass(frozen=True)
class Data:
    """Persistent data, one volume a replica, mounted at `path`."""

    path: str


@dataclass(frozen=True)
class Readiness:
    """How a platform knows that a replica may be used.

    `command` runs inside the container and exits 0 when ready. `within_seconds` bounds the first
    start; `meaning` completes the sentence "waits for …".
    """

    command: tuple[str, ...]
    meaning: str
    interval_seconds: int = 3
    timeout_seconds: int = 3
    failures: int = 3
    within_seconds: int = 120


@dataclass(frozen=True)
class Peer:
    """Who a workload is to others: replicas with stable identities `name-1`, `name-2`, ….

    ordinal: 1–15, different for every workload of a stack; fixes its addresses where the platform
        hands them out itself.
    """

    name: str
    ordinal: int
    replicas: int
    segments: tuple[Segment, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """The replicas' identities, which are also their host names."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.replicas + 1))


@dataclass(frozen=True, kw_only=True)
class Workload(Peer):
    """What runs in each replica.

    In `environment` values, `{member}` stands for the replica's own identity.

    image: a folder of images/.
    files / secret_files: name in FILES_DIRECTORY → content, the same on every replica. Both end
        as files of mode 0400. A change of `files` replaces the replicas; a change of
        `secret_files` reaches running ones, which reload by themselves.
    talks_to: those whose members it must find by name, besides its own.
    loopback_names: names that mean this container itself.
    scratch: path → MiB of memory-backed space; all else is read-only.
    background: gives way to all others where the processors do not suffice.
    one_at_a_time: an update replaces a replica only after the one before is ready again.
    runs_once: a job: done when it exits with 0, never restarted.
    patience_seconds: how long the platform waits until it is ready, or a job until it is done,
        where that may take longer than usual. A change of it changes nothing that runs.
    """

    image: str
    memory_mib: int
    cpus: float
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secret_files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    data: Data | None = None
    scratch: Mapping[str, int] = field(default_factory=dict)
    talks_to: tuple[Peer, ...] = ()
    loopback_names: tuple[str, ...] = ()
    readiness: Readiness | None = None
    background: bool = False
    one_at_a_time: bool = False
    runs_once: bool = False
    stop_grace_seconds: int = 10
    patience_seconds: int | None = None


class Platform(Protocol):
    """What every platform offers to components."""

    def run(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> tuple[pulumi.Resource, ...]:
        """Registers what runs `workload`; returns one resource per replica, ready once created."""
        ...

    def address(self, peer: Peer, index: int, segment: Segment) -> str:
        """What replica `index` (from 0) is reached at within a segment, for as long as it lives.

        For programs that hand addresses on to others, and so need one that every member resolves
        alike, whoever is down at that moment.
        """
        ...
