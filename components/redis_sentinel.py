"""Redis that survives its primary: members, and the Sentinels that watch and replace it."""

import hashlib
import json
from dataclasses import dataclass

import pulumi

from components import passwords
from components.certificate_authority import Certificate
from components.context import Context
from components.templates import render
from platforms.workload import Data, Peer, Port, Readiness, Segment, Workload
from settings.redis import RedisSettings

REDIS_PORT = 6379
SENTINEL_PORT = 26379
# What Sentinel calls the group it watches, and what Sentinel-aware clients ask for.
SERVICE = "main"

# Enough for a replica that was away for minutes under steady writing to continue where it was.
BACKLOG_MIB = 32
SENTINEL_MEMORY_MIB = 96

# Users of the members and of the Sentinels, one a purpose. The application's may also ask the
# Sentinels, with the same password.
USERS = (
    "application",
    "replication",
    "sentinel",
    "keeper",
    "router",
    "monitor",
    "backup",
    "restore",
)
SENTINEL_USERS = ("application", "sentinel", "keeper", "events")


@dataclass(frozen=True)
class RedisSentinelArgs:
    """Its own settings, and what all components share. max_clients: connections of one member."""

    settings: RedisSettings
    max_clients: int
    context: Context


class RedisSentinel(pulumi.ComponentResource):
    """Outputs: sentinels (addresses), the application's password and certificate (secret).

    `members` and `servers` are for those that come after: whom to talk to, and what to wait for;
    `data_mib` is how much data there may be.
    """

    members: Workload
    sentinels: Workload
    servers: tuple[pulumi.Resource, ...]
    sentinel_endpoints: pulumi.Output[list[dict[str, str | int]]]
    passwords: dict[str, pulumi.Output[str]]
    client_certificate: Certificate
    data_mib: int

    def __init__(
        self, name: str, args: RedisSentinelArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:RedisSentinel", name, None, opts)
        self._args = args
        self._context = args.context
        self._settings = args.settings
        self.passwords = passwords.generate(name, dict.fromkeys((*USERS, *SENTINEL_USERS)), self)
        self._peer = Peer(
            "redis", 5, self._settings.members, (Segment.CACHE,), (Port("redis", REDIS_PORT),)
        )
        self._sentinel_peer = Peer(
            "sentinel",
            6,
            self._settings.sentinels,
            (Segment.CACHE,),
            (Port("sentinel", SENTINEL_PORT),),
        )
        self.client_certificate = self._context.authority.issue(
            "application", common_name="application", dns_names=("application",)
        )

        self.sentinels = self._sentinels()
        self.members = self._members()
        self.data_mib = self._settings.maxmemory_mib
        # The Sentinels first: a member that starts asks them what it is.
        watching = self._context.platform.run(self.sentinels, self)
        self.servers = self._context.platform.run(self.members, self, after=watching)

        self.sentinel_endpoints = pulumi.Output.from_input(
            [
                {"host": address, "port": SENTINEL_PORT}
                for address in self._addresses(self._sentinel_peer).values()
            ]
        )
        self.register_outputs(
            {
                "sentinel_endpoints": self.sentinel_endpoints,
                "password": pulumi.Output.secret(self.passwords["application"]),
            }
        )

    def addresses(self) -> dict[str, str]:
        """{member: address} of the Redis members."""
        return self._addresses(self._peer)

    def sentinel_addresses(self) -> dict[str, str]:
        """{Sentinel: address}."""
        return self._addresses(self._sentinel_peer)

    def _addresses(self, peer: Peer) -> dict[str, str]:
        return {
            member: self._context.platform.address(peer, index, Segment.CACHE)
            for index, member in enumerate(peer.members)
        }

    def _users(self, template: str, users: tuple[str, ...]) -> pulumi.Output[str]:
        """An ACL file; it has the passwords' hashes alone."""
        chosen = {user: self.passwords[user] for user in users}
        return pulumi.Output.all(**chosen).apply(
            lambda values: render(
                self._context.root,
                "redis",
                template,
                **{
                    user: hashlib.sha256(text.encode()).hexdigest() for user, text in values.items()
                },
            )
        )

    def _group(self) -> str:
        return json.dumps(
            {
                "service": SERVICE,
                "port": REDIS_PORT,
                "sentinel_port": SENTINEL_PORT,
                "quorum": self._settings.effective_quorum,
                "members": self._addresses(self._peer),
                "sentinels": self._addresses(self._sentinel_peer),
            },
            indent=1,
        )

    def _certificate(self, peer: Peer) -> Certificate:
        # Members are announced by address, and clients verify what they connect to.
        names = self._context.platform.addresses_are_names
        addresses = () if names else tuple(self._addresses(peer).values())
        return self._context.authority.issue(
            peer.name,
            common_name=peer.name,
            dns_names=(*peer.members, peer.name, "localhost"),
            ip_addresses=("127.0.0.1", *addresses),
        )

    def _members(self) -> Workload:
        settings = self._settings
        configuration = render(
            self._context.root,
            "redis",
            "redis.conf.j2",
            port=REDIS_PORT,
            snapshots=settings.snapshots,
            maxmemory_mib=settings.maxmemory_mib,
            eviction_policy=settings.eviction_policy,
            min_replicas_max_lag=settings.failover.min_replicas_max_lag,
            backlog_mib=BACKLOG_MIB,
            max_clients=self._args.max_clients,
        )
        return Workload(
            **vars(self._peer),
            image="redis",
            memory_mib=settings.memory_mib,
            cpus=settings.cpus,
            environment={"MEMBER": "{member}"},
            files={"redis.conf": configuration, "group.json": self._group()},
            secret_files={
                **self._certificate(self._peer).files(),
                "users.acl": self._users("redis-users.acl.j2", USERS),
                "secrets.conf": pulumi.Output.concat(
                    "masteruser replication\nmasterauth ", self.passwords["replication"], "\n"
                ),
                "keeper.password": self.passwords["keeper"],
            },
            data=Data("/var/lib/redis", settings.volume_gib),
            scratch={"/tmp": 16, "/run/redis": 4},
            talks_to=(self.sentinels,),
            readiness=Readiness(
                ("/usr/local/bin/ready", "redis", str(REDIS_PORT)),
                meaning="Redis to be the primary or in step with it",
                timeout_seconds=5,
            ),
            one_at_a_time=True,
            stop_grace_seconds=60,
        )

    def _sentinels(self) -> Workload:
        failover = self._settings.failover
        configuration = render(
            self._context.root,
            "redis",
            "sentinel.conf.j2",
            port=SENTINEL_PORT,
            service=SERVICE,
            down_after_ms=failover.down_after_ms,
            failover_timeout_ms=failover.failover_timeout_ms,
            resolve_names=self._context.platform.addresses_are_names,
        )
        secrets = pulumi.Output.concat(
            f"sentinel auth-user {SERVICE} sentinel\nsentinel auth-pass {SERVICE} ",
            self.passwords["sentinel"],
            "\nsentinel sentinel-user sentinel\nsentinel sentinel-pass ",
            self.passwords["sentinel"],
            "\n",
        )
        return Workload(
            **vars(self._sentinel_peer),
            image="redis",
            command=(
                "/usr/local/bin/supervise",
                "/usr/local/share/selfmonitor/sentinel.json",
            ),
            memory_mib=SENTINEL_MEMORY_MIB,
            cpus=0.5,
            environment={"MEMBER": "{member}"},
            files={"sentinel.conf": configuration, "group.json": self._group()},
            secret_files={
                **self._certificate(self._sentinel_peer).files(),
                "users.acl": self._users("sentinel-users.acl.j2", SENTINEL_USERS),
                "secrets.conf": secrets,
                "keeper.password": self.passwords["keeper"],
            },
            data=Data("/var/lib/sentinel"),
            scratch={"/tmp": 16},
            talks_to=(self._peer,),
            readiness=Readiness(
                ("/usr/local/bin/ready", "sentinel", str(SENTINEL_PORT)),
                meaning="Sentinel to answer",
            ),
            one_at_a_time=True,
        )
