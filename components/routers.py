"""The way in: what clients connect to, whoever is primary behind it."""

import json
from dataclasses import dataclass

import pulumi

from components.context import Context
from components.postgres_configuration import POSTGRES_PORT, REST_PORT
from components.postgres_ha import PostgresHA
from components.redis_sentinel import REDIS_PORT, RedisSentinel
from components.templates import render
from platforms.workload import LOOPBACK, Peer, Port, Readiness, Segment, Workload
from settings.postgres import RouterSettings

HAPROXY_PRIMARY_PORT = 6000
HAPROXY_REPLICA_PORT = 6001
HAPROXY_HEALTH_PORT = 6002
HAPROXY_SOCKET = "/tmp/haproxy.sock"
HAPROXY_BACKEND = "primary"
POOLER_FILES = ("pgbouncer-read-write.ini", "pgbouncer-read-only.ini")
# A standby further behind than this serves no reads.
REPLICA_MAX_LAG_MIB = 16
# Fails on a standby, where SELECT 1 would be content.
PRIMARY_CHECK = "SELECT 1 / (1 - pg_catalog.pg_is_in_recovery()::int)"

MEMORY_MIB = 256
# From the moment a platform takes a router out of what clients are sent to until it has done so
# everywhere: a matter of tenths of a second.
LEAVING_SECONDS = 3

Endpoint = dict[str, str | int]


@dataclass(frozen=True)
class RoutersArgs:
    """What they lead to. redis_ports: the port to the Redis primary on each router."""

    settings: RouterSettings
    postgres: PostgresHA
    redis: RedisSentinel
    redis_ports: tuple[int, ...]
    context: Context


class Routers(pulumi.ComponentResource):
    """Outputs: where clients connect, by purpose, in the routers' order; no secret in them.

    `workload` is for those that go through them.
    """

    workload: Workload
    postgres_endpoints: pulumi.Output[dict[str, list[Endpoint]]]
    redis_endpoints: pulumi.Output[dict[str, list[Endpoint]]]

    def __init__(
        self, name: str, args: RoutersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:access:Routers", name, None, opts)
        self._args = args
        self._context = args.context
        settings = args.settings
        self.workload = self._workload()
        self._context.platform.run(
            self.workload, self, after=(*args.postgres.servers, *args.redis.servers)
        )
        self.postgres_endpoints = pulumi.Output.from_input(
            {
                "read_write": self._endpoints(settings.published(settings.read_write_port)),
                "read_only": self._endpoints(settings.published(settings.read_only_port)),
            }
        )
        self.redis_endpoints = pulumi.Output.from_input(
            {"read_write": self._endpoints(args.redis_ports)}
        )
        self.register_outputs(
            {
                "postgres_endpoints": self.postgres_endpoints,
                "redis_endpoints": self.redis_endpoints,
            }
        )

    def _endpoints(self, ports: tuple[int, ...]) -> list[Endpoint]:
        entrances = self._context.platform.entrances(self.workload, ports)
        return [{"host": host, "port": port} for host, port in entrances]

    def _workload(self) -> Workload:
        settings = self._args.settings
        members = self._args.postgres.members
        peer = Peer(
            "router",
            3,
            settings.replicas,
            (Segment.ACCESS, Segment.DATA, Segment.CACHE),
            (
                Port("read-write", POSTGRES_PORT, settings.published(settings.read_write_port)),
                Port("read-only", POSTGRES_PORT + 1, settings.published(settings.read_only_port)),
                Port("redis", REDIS_PORT, self._args.redis_ports),
            ),
        )
        names = self._context.platform.entrance_names(peer)
        certificate = self._context.authority.issue(
            "router",
            common_name="router",
            dns_names=(*peer.members, "router", "localhost", *names.dns),
            ip_addresses=tuple(dict.fromkeys(("127.0.0.1", *names.ip))),
        )
        haproxy = render(
            self._context.root,
            "router",
            "haproxy.cfg.j2",
            # Every client's two pools and its Redis connection; the checks need some.
            max_connections=3 * settings.max_client_connections + 100,
            rest_port=REST_PORT,
            postgres_port=POSTGRES_PORT,
            health_port=HAPROXY_HEALTH_PORT,
            loopback=LOOPBACK,
            primary_port=HAPROXY_PRIMARY_PORT,
            replica_port=HAPROXY_REPLICA_PORT,
            replica_max_lag_mib=REPLICA_MAX_LAG_MIB,
            members=members.members,
            backend=HAPROXY_BACKEND,
            socket=HAPROXY_SOCKET,
        )
        # What holds transactions back while the primary is moved (images/router/hold).
        hold = {
            "members": members.members,
            "rest_port": REST_PORT,
            "poolers": [f"/etc/selfmonitor/{name}" for name in POOLER_FILES],
            "haproxy_socket": HAPROXY_SOCKET,
            "backend": HAPROXY_BACKEND,
        }
        return Workload(
            **vars(peer),
            image="router",
            memory_mib=MEMORY_MIB,
            cpus=1.0,
            files={
                "haproxy.cfg": haproxy,
                "hold.json": json.dumps(hold),
                "pgbouncer-hba.conf": render(self._context.root, "router", "pgbouncer-hba.conf"),
                POOLER_FILES[0]: self._pgbouncer(
                    "read and write", POSTGRES_PORT, HAPROXY_PRIMARY_PORT, PRIMARY_CHECK
                ),
                POOLER_FILES[1]: self._pgbouncer(
                    "read only", POSTGRES_PORT + 1, HAPROXY_REPLICA_PORT, ""
                ),
            },
            secret_files={
                **certificate.files(),
                # HAProxy reads a certificate and its key from one file.
                "tls.pem": pulumi.Output.concat(certificate.certificate, certificate.key),
                "userlist.txt": pulumi.Output.concat(
                    '"pgbouncer" "', self._args.postgres.pooler_password, '"\n'
                ),
                # Its checks log in, so the password stands in it.
                "haproxy-redis.cfg": self._args.redis.passwords["router"].apply(self._redis),
            },
            scratch={"/tmp": 16},
            talks_to=(members, self._args.redis.members),
            loopback_names=("postgres",),
            readiness=Readiness(
                _probe(),
                meaning="PgBouncer and HAProxy to answer",
                # On Kubernetes the Service sends clients to it for as long as the answer is yes.
                pause_seconds=0,
            ),
            # An application that knows both addresses keeps one while the other is replaced.
            one_at_a_time=True,
            # Until nobody is sent here any more; then transactions are ended, and nothing begun.
            before_stop=("/bin/sleep", str(LEAVING_SECONDS)),
            before_stop_seconds=2 * LEAVING_SECONDS,
        )

    def _pgbouncer(self, purpose: str, listen_port: int, server_port: int, check: str) -> str:
        return render(
            self._context.root,
            "router",
            "pgbouncer.ini.j2",
            purpose=purpose,
            listen_port=listen_port,
            server_port=server_port,
            server_name="postgres",
            check_query=check,
            pool_size=self._args.settings.pool_size,
            max_client_connections=self._args.settings.max_client_connections,
        )

    def _redis(self, password: str) -> str:
        return render(
            self._context.root,
            "router",
            "haproxy-redis.cfg.j2",
            port=REDIS_PORT,
            password=password,
            max_connections=self._args.settings.max_client_connections,
            members=self._args.redis.addresses(),
        )


def _probe() -> tuple[str, ...]:
    """HAProxy answers, and both PgBouncers hold their ports (0x1538 is 5432, 0x1539 is 5433)."""
    ports = (POSTGRES_PORT, POSTGRES_PORT + 1)
    listening = " && ".join(f"grep -qi ':{port:04X} 0*:0000 0A' /proc/net/tcp*" for port in ports)
    probe = f"curl -sf -o /dev/null --max-time 2 http://127.0.0.1:{HAPROXY_HEALTH_PORT}/health"
    return ("/bin/sh", "-c", f"{probe} && {listening}")
