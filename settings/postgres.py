"""The PostgreSQL cluster of a stack."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from settings.base import Settings
from settings.values import Port, QuorumCount, must_be_odd

# PostgreSQL truncates longer identifiers silently (NAMEDATALEN 64).
Identifier = Annotated[str, Field(min_length=1, max_length=63)]
ParameterName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*$")]

RESERVED_ROLES = frozenset({"postgres", "replicator", "rewind", "pgbouncer", "monitor", "backup"})
RESERVED_DATABASES = frozenset({"postgres", "selfmonitor", "template0", "template1"})
# What the cluster's safety rests on; set by the platform, not by a stack file.
MANAGED_PARAMETERS = frozenset(
    {
        "archive_command",
        "archive_library",
        "archive_mode",
        "archive_timeout",
        "fsync",
        "full_page_writes",
        "hot_standby",
        "listen_addresses",
        "max_connections",
        "password_encryption",
        "port",
        "primary_conninfo",
        "restore_command",
        "shared_preload_libraries",
        "ssl",
        "synchronous_commit",
        "synchronous_standby_names",
        "track_commit_timestamp",
        "wal_level",
        "wal_log_hints",
    }
)


class DatabaseSettings(Settings):
    """One application database."""

    name: Identifier = Field(description="Name of the database.")
    owner: Identifier = Field(description="Role that owns it and logs in as the application.")
    extensions: tuple[Identifier, ...] = Field(
        default=(), strict=False, description="Extensions to create in it."
    )

    @field_validator("name")
    @classmethod
    def name_is_free(cls, name: str) -> str:
        if name in RESERVED_DATABASES:
            raise ValueError(f"{name} belongs to the cluster: choose another name")
        return name

    @field_validator("owner")
    @classmethod
    def owner_is_free(cls, owner: str) -> str:
        if owner in RESERVED_ROLES or owner.startswith("pg_"):
            raise ValueError(f"{owner} is a role of the cluster itself: choose another name")
        return owner


class FailoverSettings(Settings):
    """How fast a dead primary is noticed. Bounds are Patroni's own."""

    ttl_seconds: int = Field(
        default=20, ge=20, le=300, description="Life of the leader's lock when it is not renewed."
    )
    loop_wait_seconds: int = Field(
        default=2, ge=1, le=60, description="Pause between two looks of a member at the cluster."
    )
    retry_timeout_seconds: int = Field(
        default=3, ge=3, le=60, description="How long a member retries the consensus store."
    )

    @model_validator(mode="after")
    def lock_outlives_retries(self) -> "FailoverSettings":
        needed = self.loop_wait_seconds + 2 * self.retry_timeout_seconds
        if needed > self.ttl_seconds:
            raise ValueError(
                f"loop_wait_seconds + 2 * retry_timeout_seconds is {needed}, more than "
                f"ttl_seconds ({self.ttl_seconds}): a slow consensus store would cost a failover"
            )
        return self


class RouterSettings(Settings):
    """The way in. Router n listens on each port + (n - 1) * port_step of this machine."""

    replicas: int = Field(default=2, ge=1, le=4, description="Routers side by side.")
    read_write_port: Port = Field(default=5432, description="First router's port to the primary.")
    read_only_port: Port = Field(default=5433, description="First router's port to the standbys.")
    port_step: int = Field(default=10, ge=1, le=1000, description="From one router to the next.")
    pool_size: int = Field(
        default=20, ge=1, le=500, description="Server connections per database, user and router."
    )
    max_client_connections: int = Field(
        default=1000, ge=10, le=10000, description="Client connections per router and port."
    )

    def published(self, first: int) -> tuple[int, ...]:
        """The port of each router that corresponds to the first router's port `first`."""
        return tuple(first + index * self.port_step for index in range(self.replicas))

    @model_validator(mode="after")
    def ports_differ(self) -> "RouterSettings":
        ports = [*self.published(self.read_write_port), *self.published(self.read_only_port)]
        twice = sorted({port for port in ports if ports.count(port) > 1})
        if twice:
            raise ValueError(
                f"two routers would share port {twice[0]}: change the ports or port_step"
            )
        if max(ports) > 65535:
            raise ValueError(f"the last router's port would be {max(ports)}: the highest is 65535")
        return self


class PostgresSettings(Settings):
    """PostgreSQL with synchronous replication and automatic failover."""

    members: QuorumCount = Field(default=3, description="Primary and standbys together; odd.")
    consensus_members: QuorumCount = Field(default=3, description="etcd members; odd.")
    memory_mib: int = Field(default=1024, ge=256, description="Limit of one member, MiB.")
    volume_gib: int = Field(
        default=20,
        ge=1,
        description="Volume of one member, GiB; Kubernetes only. WAL that is not in the vault yet "
        "has its place there as well.",
    )
    shared_buffers_mib: int = Field(
        default=128, ge=16, description="PostgreSQL's own cache of one member, MiB."
    )
    cpus: float = Field(default=2.0, gt=0, strict=False, description="Limit of one member, cores.")
    max_connections: int = Field(
        default=200, ge=20, le=10000, description="Server connections of one member."
    )
    parameters: dict[ParameterName, str | int | float | bool] = Field(
        default={}, description="Further postgresql.conf settings."
    )
    databases: tuple[DatabaseSettings, ...] = Field(
        default=(DatabaseSettings(name="db_user_profile", owner="user"),),
        min_length=1,
        strict=False,
        description="Application databases and their owners.",
    )
    routers: RouterSettings = Field(default=RouterSettings(), description="The way in.")
    failover: FailoverSettings = Field(
        default=FailoverSettings(), description="How fast a dead primary is noticed."
    )

    _odd = field_validator("members", "consensus_members")(must_be_odd)

    @field_validator("parameters")
    @classmethod
    def parameters_are_free(
        cls, parameters: dict[str, str | int | float | bool]
    ) -> dict[str, str | int | float | bool]:
        managed = sorted(MANAGED_PARAMETERS & parameters.keys())
        if managed:
            raise ValueError(f"{managed[0]} is set by the platform and cannot be given here")
        return parameters

    @model_validator(mode="after")
    def memory_suffices(self) -> "PostgresSettings":
        if 2 * self.shared_buffers_mib > self.memory_mib:
            raise ValueError(
                f"shared_buffers_mib ({self.shared_buffers_mib}) is more than half of memory_mib "
                f"({self.memory_mib}): connections and Patroni need the rest"
            )
        return self

    @model_validator(mode="after")
    def databases_differ(self) -> "PostgresSettings":
        names = [database.name for database in self.databases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"database {twice[0]} is given twice")
        return self

    @property
    def owners(self) -> tuple[str, ...]:
        """The application roles, each once, sorted."""
        return tuple(sorted({database.owner for database in self.databases}))
