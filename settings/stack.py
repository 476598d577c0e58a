"""A whole stack file."""

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from pydantic import Field, field_validator, model_validator

from settings.backup import BackupSettings, RecoverySettings
from settings.base import Settings
from settings.edge import EdgeSettings
from settings.kubernetes import KubernetesSettings
from settings.postgres import PostgresSettings
from settings.redis import RedisSettings

# RFC 1918. Python's own is_private also means networks no container can be in, such as loopback.
PRIVATE_NETWORKS = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class CertificateSettings(Settings):
    """Life of the stack's certificates. The next `up` renews what is about to expire."""

    validity_days: int = Field(
        default=365, ge=7, le=825, description="Life of a certificate, days."
    )
    authority_validity_days: int = Field(
        default=3650, ge=365, le=7300, description="Life of the stack's own authority, days."
    )
    renew_before_days: int = Field(
        default=30, ge=1, le=90, description="How long before its end a certificate is renewed."
    )

    @model_validator(mode="after")
    def renewal_lies_within_validity(self) -> "CertificateSettings":
        if self.renew_before_days >= self.validity_days:
            raise ValueError(
                f"renew_before_days ({self.renew_before_days}) must be less than validity_days "
                f"({self.validity_days}): every up would renew every certificate"
            )
        return self


class StackSettings(Settings):
    """Everything a stack file may say."""

    platform: Literal["docker", "kubernetes"] = Field(
        default="docker", description="Where the stack runs."
    )
    kubernetes: KubernetesSettings | None = Field(
        default=None, description="What only a stack on Kubernetes needs to know."
    )
    bind_address: IPv4Address = Field(
        default=IPv4Address("127.0.0.1"),
        strict=False,
        description="Address of this machine on which the routers listen.",
    )
    subnet: IPv4Network = Field(
        default=IPv4Network("10.87.0.0/20"),
        strict=False,
        description="Private network the stack's segments are cut from; /20 or larger.",
    )
    postgres: PostgresSettings = Field(default=PostgresSettings(), description="PostgreSQL.")
    redis: RedisSettings = Field(default=RedisSettings(), description="Redis.")
    backup: BackupSettings = Field(default=BackupSettings(), description="Backups.")
    recovery: RecoverySettings | None = Field(
        default=None, description="Begin with what the vault holds; set by up --from-backup."
    )
    certificates: CertificateSettings = Field(
        default=CertificateSettings(), description="Life of the stack's certificates."
    )
    edge: EdgeSettings = Field(
        default=EdgeSettings(), description="Before a load balancer that is open to the world."
    )

    @field_validator("subnet")
    @classmethod
    def subnet_is_private_and_large_enough(cls, subnet: IPv4Network) -> IPv4Network:
        if not any(subnet.subnet_of(private) for private in PRIVATE_NETWORKS):
            raise ValueError(f"{subnet} is not a private network (10/8, 172.16/12 or 192.168/16)")
        if subnet.prefixlen > 20:
            raise ValueError(f"{subnet} is too small: the segments need a /20 or larger")
        return subnet

    @model_validator(mode="after")
    def nothing_is_the_other_platforms(self) -> "StackSettings":
        """A setting that nobody reads is a mistake somebody made."""
        if self.platform == "docker":
            self._refuse_what_is_of_kubernetes()
        else:
            self._refuse_what_is_of_docker()
        return self

    def _refuse_what_is_of_kubernetes(self) -> None:
        if self.kubernetes is not None:
            raise ValueError(
                "kubernetes is given, but platform is docker: set platform: kubernetes"
            )
        volumes: tuple[tuple[str, Settings], ...] = (
            ("postgres", self.postgres),
            ("redis", self.redis),
            ("backup", self.backup),
            ("backup.vault", self.backup.vault),
        )
        for key, settings in volumes:
            if "volume_gib" in settings.model_fields_set:
                raise ValueError(
                    f"{key}.volume_gib is given, but platform is docker, whose volumes have no "
                    "size: leave it out"
                )

    def _refuse_what_is_of_docker(self) -> None:
        # Pulumi.yaml gives the defaults of these two to every stack.
        for key in ("bind_address", "subnet"):
            default = type(self).model_fields[key].default
            if getattr(self, key) != default:
                raise ValueError(
                    f"{key} is given, but platform is kubernetes, which hands out addresses "
                    "itself: leave it out"
                )
        if "consensus_members" in self.postgres.model_fields_set:
            raise ValueError(
                "postgres.consensus_members is given, but platform is kubernetes, whose API server "
                "is the consensus store: leave it out"
            )
        if "port_step" in self.postgres.routers.model_fields_set:
            raise ValueError(
                "postgres.routers.port_step is given, but platform is kubernetes, where all "
                "routers have one address: leave it out"
            )

    @model_validator(mode="after")
    def redis_ports_are_free(self) -> "StackSettings":
        routers = self.postgres.routers
        for key, first in (
            ("read_write_port", routers.read_write_port),
            ("read_only_port", routers.read_only_port),
        ):
            twice = sorted({*self.redis_ports} & {*routers.published(first)})
            if twice:
                raise ValueError(
                    f"redis.port ({self.redis.port}) and postgres.routers.{key} ({first}) would "
                    f"share port {twice[0]}: change one of them, or postgres.routers.port_step"
                )
        if self.redis_ports[-1] > 65535:
            raise ValueError(
                f"redis.port: the last router's port would be {self.redis_ports[-1]}: "
                "the highest is 65535"
            )
        return self

    @model_validator(mode="after")
    def side_port_is_free(self) -> "StackSettings":
        routers = self.postgres.routers
        taken = {
            *routers.published(routers.read_write_port),
            *routers.published(routers.read_only_port),
            *self.redis_ports,
        }
        if self.backup.side_port in taken:
            raise ValueError(
                f"backup.side_port ({self.backup.side_port}) is a router's port already: "
                "choose another"
            )
        return self

    @model_validator(mode="after")
    def invariants_have_their_databases(self) -> "StackSettings":
        there = [database.name for database in self.postgres.databases]
        for invariant in self.backup.invariants:
            if invariant.database not in there:
                raise ValueError(
                    f"backup.invariants: {invariant.name}: there is no database "
                    f"{invariant.database}; there are: {', '.join(there)}"
                )
        return self

    @model_validator(mode="after")
    def recovery_has_its_source(self) -> "StackSettings":
        if self.recovery and self.recovery.source == "copy" and not self.backup.second_region:
            raise ValueError("recovery.source is copy, but backup.second_region is false")
        return self

    @model_validator(mode="after")
    def docker_stays_on_its_machine(self) -> "StackSettings":
        if self.platform != "docker":
            return self
        if self.backup.vault.kind != "embedded":
            raise ValueError(
                f"backup.vault.kind is {self.backup.vault.kind}, but platform is docker: what "
                "writes backups is on networks without a way out of the machine"
            )
        if self.edge.load_balancer_arn:
            raise ValueError(
                "edge.load_balancer_arn is given, but platform is docker: no load balancer leads "
                "to it"
            )
        return self

    @property
    def redis_ports(self) -> tuple[int, ...]:
        """The port to the Redis primary on each router."""
        return self.postgres.routers.published(self.redis.port)

    @property
    def redis_max_clients(self) -> int:
        """Client connections of one Redis member: all routers' at once, and the stack's own."""
        routers = self.postgres.routers
        return routers.replicas * routers.max_client_connections + 100
