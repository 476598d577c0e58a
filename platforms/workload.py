"""The vocabulary in which a component says what a platform must run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    # Commands that only look at a running stack use these names too, and need not wait for the SDK.
    import pulumi

# Where a workload finds its files on every platform, one flat folder.
FILES_DIRECTORY = "/etc/selfmonitor"
# What a container's loopback_names stand for. Not 127.0.0.1, which is localhost's: a resolver that
# sorts the hosts file by addresses (c-ares, in PgBouncer) gives all that localhost has, ::1 too.
LOOPBACK = "127.0.0.2"
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
    """Persistent data, one volume a replica, mounted at `path`.

    size_gib: of one volume, GiB, where volumes have a size; on Docker they share one disk.
    """

    path: str
    size_gib: int = 1


@dataclass(frozen=True)
class Readiness:
    """How a platform knows that a replica may be used.

    `command` runs inside the container and exits 0 when ready. `within_seconds` bounds the first
    start; `meaning` completes the sentence "waits for …". `pause_seconds` after a yes are added to
    the interval: whoever is ready is asked seldom, whoever is not, often.
    """

    command: tuple[str, ...]
    meaning: str
    interval_seconds: int = 3
    timeout_seconds: int = 3
    pause_seconds: int = 12
    failures: int = 3
    within_seconds: int = 120

    @property
    def probe(self) -> tuple[str, ...]:
        """What a platform runs every `interval_seconds`."""
        if not self.pause_seconds:
            return self.command
        return ("/usr/local/bin/paced-probe", str(self.pause_seconds), *self.command)

    @property
    def probe_timeout_seconds(self) -> int:
        return self.pause_seconds + self.timeout_seconds


@dataclass(frozen=True)
class Consensus:
    """That a workload keeps its consensus in the platform's own store.

    scope: under which name. objects: the names of all objects it keeps there; it may read and
        change these and no others.
    """

    scope: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class ConsensusStore:
    """Where a workload's consensus is in the platform's own store, as the program is to be told.

    labels: which its objects and its replicas bear; scope_label: the name of one more, whose value
        is the scope. role_label: the one by which it marks what each replica is.
    """

    namespace: str
    labels: Mapping[str, str]
    scope_label: str
    role_label: str


@dataclass(frozen=True)
class Scheduled:
    """What is to be run at times, where the platform has a scheduler of its own.

    cron: five fields, UTC. deadline_seconds: a run that takes longer hangs, and is ended.
    """

    name: str
    cron: str
    command: tuple[str, ...]
    deadline_seconds: int


@dataclass(frozen=True)
class Outside:
    """Somebody beyond the stack whom a workload talks to.

    purpose: completes the sentence "to reach …".
    """

    purpose: str
    ports: tuple[int, ...]
    networks: tuple[IPv4Network, ...]


@dataclass(frozen=True)
class EntranceNames:
    """What clients may call an entrance, and so what its certificate must bear."""

    dns: tuple[str, ...]
    ip: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """Who a workload is to others: replicas with stable identities `name-1`, `name-2`, ….

    ordinal: 1–15, different for every workload of a stack; fixes its addresses where the platform
        hands them out itself.
    ports: on which others reach it.
    """

    name: str
    ordinal: int
    replicas: int
    segments: tuple[Segment, ...]
    ports: tuple[Port, ...] = ()

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
    asks: others it talks to, by their addresses alone.
    outside: whom it talks to beyond the stack, where that has to be allowed.
    tokens: file → whom it is for: proof of which workload this is, for somebody outside who
        believes the platform. The platform writes it and keeps it fresh; Docker has none to give.
    loopback_names: names that mean this container itself.
    scratch: path → MiB of memory-backed space; all else is read-only.
    background: gives way to all others where the processors do not suffice.
    one_at_a_time: an update replaces a replica only after the one before is ready again.
    replace_members: the command of a job that replaces the replicas after an update, run with
        this workload's image, where the platform would do so in an order of its own, whoever
        leads; {role_label} in it is the label that says what each replica is.
    runs_once: a job: done when it exits with 0, never restarted.
    replaces: whose replicas a job replaces, one at a time; the platform itself registers such jobs.
    patience_seconds: how long the platform waits until it is ready, or a job until it is done,
        where that may take longer than usual. A change of it changes nothing that runs.
    liveness: by which the platform knows that a replica hangs and must be restarted. Where it is
        None, and everywhere on Docker, only what ends is restarted.
    before_stop: what runs in a replica before it is asked to stop in order, for before_stop_seconds
        at most; Docker knows no such thing, and asks at once.
    consensus: what it keeps in the platform's own store; only where Platform.consensus is platform.
    schedules: what the platform runs, where Platform.runs_schedules, beside the first replica and
        with its files and data.
    """

    image: str
    memory_mib: int
    cpus: float
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secret_files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    data: Data | None = None
    scratch: Mapping[str, int] = field(default_factory=dict)
    talks_to: tuple[Peer, ...] = ()
    asks: tuple[Peer, ...] = ()
    outside: tuple[Outside, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    loopback_names: tuple[str, ...] = ()
    readiness: Readiness | None = None
    background: bool = False
    one_at_a_time: bool = False
    replace_members: tuple[str, ...] = ()
    runs_once: bool = False
    replaces: Peer | None = None
    stop_grace_seconds: int = 10
    patience_seconds: int | None = None
    liveness: Readiness | None = None
    before_stop: tuple[str, ...] = ()
    before_stop_seconds: int = 0
    consensus: Consensus | None = None
    schedules: tuple[Scheduled, ...] = ()

    @property
    def asks_platform(self) -> bool:
        """Whether it has a use for the platform's own interface, and so an account with rights."""
        return self.consensus is not None or self.replaces is not None


class Platform(Protocol):
    """What every platform offers to components."""

    @property
    def consensus(self) -> Literal["etcd", "platform"]:
        """Where a cluster agrees on its leader: an etcd of its own, or the platform's store."""
        ...

    @property
    def runs_schedules(self) -> bool:
        """Whether Workload.schedules are run; otherwise programs bring a scheduler of their own."""
        ...

    @property
    def addresses_are_names(self) -> bool:
        """Whether what `address` returns is a name, which resolves whoever is down."""
        ...

    def run(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> tuple[pulumi.Resource, ...]:
        """Registers what runs `workload`; returns what is created once every replica is ready."""
        ...

    def address(self, peer: Peer, index: int, segment: Segment) -> str:
        """What replica `index` (from 0) is reached at within a segment, for as long as it lives.

        For programs that hand addresses on to others, and so need one that every member resolves
        alike, whoever is down at that moment.
        """
        ...

    def consensus_store(self, peer: Peer) -> ConsensusStore:
        """Where `peer` keeps its consensus. Raises ValueError where `consensus` is etcd."""
        ...

    def entrances(self, peer: Peer, published: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
        """Where clients connect to what `peer` publishes on these ports, one for each replica."""
        ...

    def entrance_names(self, peer: Peer) -> EntranceNames:
        """What clients may call the entrances of `peer`."""
        ...
