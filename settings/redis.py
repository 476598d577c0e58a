"""Redis with Sentinel: one primary, its replicas, and those who watch over them."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from settings.base import Settings
from settings.values import Port, QuorumCount, must_be_odd

EvictionPolicy = Literal[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]


class RedisFailoverSettings(Settings):
    """How fast a dead primary is noticed, and how soon one that was cut off falls silent."""

    down_after_ms: int = Field(
        default=1000,
        ge=500,
        le=30000,
        description="Silence after which a Sentinel takes a member for dead, ms; "
        "a primary that pauses for longer costs a failover.",
    )
    failover_timeout_ms: int = Field(
        default=4000,
        ge=1000,
        le=10000,
        description="Time a step of a failover has before it is given up, ms; "
        "the next attempt comes after twice as long.",
    )
    max_lag_seconds: int = Field(
        default=4,
        ge=3,
        le=10,
        description="A primary cut off from its replicas accepts no write later than this, s: "
        "whoever replaces it would not have them.",
    )

    @model_validator(mode="after")
    def failover_outlives_detection(self) -> "RedisFailoverSettings":
        needed = 2 * self.down_after_ms
        if self.failover_timeout_ms < needed:
            raise ValueError(
                f"failover_timeout_ms ({self.failover_timeout_ms}) is less than 2 * down_after_ms "
                f"({needed}): a failover needs down_after_ms to notice a replica that is lost "
                "meanwhile, and as long again to go on without it"
            )
        return self

    @property
    def min_replicas_max_lag(self) -> int:
        """Redis's min-replicas-max-lag that keeps the promise of max_lag_seconds, s.

        Two less: Redis compares whole seconds, which hides up to one, and looks once a second,
        which adds up to another. It is never 0, with which Redis would not look at all.
        """
        return self.max_lag_seconds - 2


class SnapshotSettings(Settings):
    """When a member writes its data set to disk whole, as an RDB file."""

    seconds: int = Field(
        ge=1, le=86400, description="Age of the last snapshot that asks for another, s."
    )
    changes: int = Field(
        ge=1,
        le=1_000_000_000,
        description="Keys that must have changed since, so that idle data is not written again.",
    )


class RedisSettings(Settings):
    """Redis with asynchronous replication and automatic failover by Sentinel."""

    members: int = Field(
        default=3,
        ge=3,
        le=7,
        description="Primary and replicas together; with fewer than three, the loss of one "
        "would stop every write.",
    )
    sentinels: QuorumCount = Field(
        default=3, description="Sentinels, whose majority replaces a dead primary; odd."
    )
    quorum: int | None = Field(
        default=None,
        description="Sentinels that must agree that the primary is dead, and elect who replaces "
        "it; a majority when not given, and never fewer.",
    )
    memory_mib: int = Field(default=512, ge=128, description="Limit of one member, MiB.")
    maxmemory_mib: int = Field(
        default=256,
        ge=32,
        description="Data of one member, MiB; at most three quarters of memory_mib, because "
        "snapshots and replication buffers need the rest.",
    )
    eviction_policy: EvictionPolicy = Field(
        default="noeviction",
        description="What becomes of keys once maxmemory_mib is reached; noeviction refuses "
        "writes and loses nothing.",
    )
    volume_gib: int = Field(
        default=5,
        ge=1,
        description="Volume of one member, GiB; Kubernetes only. It holds the log, its rewriting "
        "and a snapshot, each as large as the data.",
    )
    cpus: float = Field(default=1.0, gt=0, strict=False, description="Limit of one member, cores.")
    port: Port = Field(
        default=6379,
        description="First router's port to the primary; the others follow by "
        "postgres.routers.port_step.",
    )
    failover: RedisFailoverSettings = Field(
        default=RedisFailoverSettings(), description="How fast a dead primary is noticed."
    )
    snapshots: tuple[SnapshotSettings, ...] = Field(
        default=(
            SnapshotSettings(seconds=3600, changes=1),
            SnapshotSettings(seconds=300, changes=100),
            SnapshotSettings(seconds=60, changes=10000),
        ),
        min_length=1,
        strict=False,
        description="When a snapshot is due, any of them sufficing. Besides, every change is "
        "logged, and the log is flushed once a second.",
    )

    _odd = field_validator("sentinels")(must_be_odd)

    @model_validator(mode="after")
    def quorum_is_a_majority_there_can_be(self) -> "RedisSettings":
        if self.effective_quorum > self.sentinels:
            raise ValueError(
                f"quorum ({self.quorum}) is more than there are sentinels ({self.sentinels}): "
                "no failover could ever be agreed on"
            )
        if self.effective_quorum < self.majority:
            raise ValueError(
                f"quorum ({self.quorum}) is less than a majority of the {self.sentinels} sentinels "
                f"({self.majority}): a Sentinel counts only those it has met, so two halves could "
                "each elect a primary"
            )
        return self

    @model_validator(mode="after")
    def memory_suffices(self) -> "RedisSettings":
        highest = self.memory_mib * 3 // 4
        if self.maxmemory_mib > highest:
            exceeded = "" if self.maxmemory_mib > self.memory_mib else "three quarters of "
            raise ValueError(
                f"maxmemory_mib ({self.maxmemory_mib}) is more than {exceeded}memory_mib "
                f"({self.memory_mib}): at most {highest}, because snapshots and replication "
                "buffers need the rest"
            )
        return self

    @property
    def majority(self) -> int:
        """The fewest Sentinels of which there can be only one group at a time."""
        return self.sentinels // 2 + 1

    @property
    def effective_quorum(self) -> int:
        """The quorum as Sentinel is to be told it: the one given, or else a majority."""
        return self.majority if self.quorum is None else self.quorum
