"""PostgreSQL that survives its primary: members, their consensus store, and the way in."""

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_random as random

from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.postgres_configuration import (
    POSTGRES_PORT,
    REST_PORT,
    dynamic_configuration,
    server_parameters,
)
from components.templates import render
from platforms.workload import (
    Data,
    Peer,
    Platform,
    Port,
    Readiness,
    Segment,
    Workload,
)
from settings.postgres import PostgresSettings, RouterSettings
from settings.stack import CertificateSettings

ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
# Stands in the certificates of the consensus store's own members: no client becomes a peer.
ETCD_PEER_NAME = "consensus-peer"

HAPROXY_PRIMARY_PORT = 6000
HAPROXY_REPLICA_PORT = 6001
HAPROXY_HEALTH_PORT = 6002
# A standby further behind than this serves no reads.
REPLICA_MAX_LAG_MIB = 16
# Fails on a standby, where SELECT 1 would be content.
PRIMARY_CHECK = "SELECT 1 / (1 - pg_catalog.pg_is_in_recovery()::int)"

ETCD_MEMORY_MIB = 256
ROUTER_MEMORY_MIB = 256
JOB_MEMORY_MIB = 128

PROVISIONER = Peer("provision", 4, 1, (Segment.DATA,))

# Roles of the cluster itself, one a purpose; the applications' own are in the stack file.
CLUSTER_ROLES = ("postgres", "replicator", "rewind", "pgbouncer", "monitor")
PASSWORD_LENGTH = 32


@dataclass(frozen=True)
class PostgresHAArgs:
    """root: the project's folder, where images/ is. host: the address clients will use."""

    settings: PostgresSettings
    certificates: CertificateSettings
    platform: Platform
    authority: CertificateAuthority
    root: Path
    stack: str
    host: str


class PostgresHA(pulumi.ComponentResource):
    """Outputs: endpoints (no secrets in them), ca_certificate, the owners' passwords (secret)."""

    endpoints: pulumi.Output[dict[str, list[dict[str, str | int]]]]
    passwords: pulumi.Output[dict[str, str]]
    ca_certificate: pulumi.Output[str]

    def __init__(
        self, name: str, args: PostgresHAArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:PostgresHA", name, None, opts)
        self._args = args
        self._settings = args.settings
        self._passwords = self._generate_passwords(name)

        # An authority of its own: whoever it has not certified (a router, the provisioning job)
        # cannot even speak to the consensus store. etcd's check of names in client certificates
        # would do the same with one authority, but its gateway, which Patroni uses, fails it.
        self._consensus_authority = CertificateAuthority(
            f"{name}-consensus-authority",
            CertificateAuthorityArgs(
                common_name=f"selfmonitor {args.stack} consensus", settings=args.certificates
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        etcd = self._etcd()
        members = self._members(etcd)
        consensus = args.platform.run(etcd, self)
        servers = args.platform.run(members, self, after=consensus)
        job = args.platform.run(self._provision(members), self, after=servers)
        args.platform.run(self._routers(members), self, after=job)

        self.endpoints = pulumi.Output.from_input(_endpoints(self._settings.routers, args.host))
        owned = {role: self._passwords[role] for role in self._settings.owners}
        self.passwords = pulumi.Output.secret(pulumi.Output.all(**owned))
        self.ca_certificate = args.authority.certificate
        self.register_outputs(
            {
                "endpoints": self.endpoints,
                "passwords": self.passwords,
                "ca_certificate": self.ca_certificate,
            }
        )

    def _generate_passwords(self, name: str) -> dict[str, pulumi.Output[str]]:
        """Generated once and kept: a resource each, named after the role."""
        return {
            role: random.RandomPassword(
                f"{name}-password-{role}",
                length=PASSWORD_LENGTH,
                special=False,
                opts=pulumi.ResourceOptions(parent=self),
            ).result
            for role in (*CLUSTER_ROLES, *self._settings.owners)
        }

    def _etcd(self) -> Workload:
        replicas = self._settings.consensus_members
        peer = Peer("etcd", 1, replicas, (Segment.DATA,))
        names = peer.members
        certificate = self._consensus_authority.issue(
            "etcd",
            common_name="etcd",
            dns_names=(*names, "etcd", "localhost", ETCD_PEER_NAME),
            ip_addresses=("127.0.0.1",),
        )
        tls = {"CERT_FILE": "tls.crt", "KEY_FILE": "tls.key", "TRUSTED_CA_FILE": "ca.crt"}
        environment = {
            "ETCD_NAME": "{member}",
            "ETCD_DATA_DIR": "/var/lib/etcd/data",
            "ETCD_LISTEN_CLIENT_URLS": f"https://0.0.0.0:{ETCD_CLIENT_PORT}",
            "ETCD_LISTEN_PEER_URLS": f"https://0.0.0.0:{ETCD_PEER_PORT}",
            "ETCD_ADVERTISE_CLIENT_URLS": f"https://{{member}}:{ETCD_CLIENT_PORT}",
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"https://{{member}}:{ETCD_PEER_PORT}",
            "ETCD_INITIAL_CLUSTER": ",".join(
                f"{name}=https://{name}:{ETCD_PEER_PORT}" for name in names
            ),
            "ETCD_INITIAL_CLUSTER_TOKEN": f"selfmonitor-{self._args.stack}",
            "ETCD_INITIAL_CLUSTER_STATE": "new",
            "ETCD_CLIENT_CERT_AUTH": "true",
            "ETCD_PEER_CLIENT_CERT_AUTH": "true",
            "ETCD_PEER_CERT_ALLOWED_HOSTNAME": ETCD_PEER_NAME,
            "ETCD_TLS_MIN_VERSION": "TLS1.2",
            # Patroni writes a few keys every two seconds: history is worthless after an hour, and
            # frequent snapshots keep memory small.
            "ETCD_AUTO_COMPACTION_MODE": "periodic",
            "ETCD_AUTO_COMPACTION_RETENTION": "1h",
            "ETCD_SNAPSHOT_COUNT": "10000",
            "ETCD_LOG_LEVEL": "warn",
        }
        for key, file in tls.items():
            environment[f"ETCD_{key}"] = f"/etc/selfmonitor/{file}"
            environment[f"ETCD_PEER_{key}"] = f"/etc/selfmonitor/{file}"
        return Workload(
            **vars(peer),
            image="etcd",
            memory_mib=ETCD_MEMORY_MIB,
            cpus=1.0,
            environment=environment,
            secret_files=certificate.files(),
            ports=(Port("client", ETCD_CLIENT_PORT), Port("peer", ETCD_PEER_PORT)),
            data=Data("/var/lib/etcd"),
            readiness=Readiness(
                _https_probe(ETCD_CLIENT_PORT, "/health"),
                meaning="a quorum of the consensus store",
            ),
        )

    def _members(self, etcd: Workload) -> Workload:
        settings = self._settings
        peer = Peer("postgres", 2, settings.members, (Segment.DATA,))
        names = peer.members
        certificate = self._args.authority.issue(
            "postgres-member",
            common_name="postgres-member",
            dns_names=(*names, "postgres", "localhost"),
            ip_addresses=("127.0.0.1",),
        )
        consensus = self._consensus_authority.issue(
            "patroni", common_name="patroni", dns_names=("patroni",)
        )
        patroni = render(
            self._args.root,
            "postgres",
            "patroni.yml.j2",
            cluster=f"selfmonitor-{self._args.stack}",
            rest_port=REST_PORT,
            postgres_port=POSTGRES_PORT,
            members=names,
            provisioner=PROVISIONER.members[0],
            consensus_hosts=[f"{name}:{ETCD_CLIENT_PORT}" for name in etcd.members],
            parameters=server_parameters(settings),
        )
        bootstrap = render(
            self._args.root,
            "postgres",
            "bootstrap.yml.j2",
            dynamic_configuration=dynamic_configuration(settings),
        )
        own = {role: self._passwords[role] for role in ("postgres", "replicator", "rewind")}
        passwords = pulumi.Output.all(**own).apply(
            lambda values: render(self._args.root, "postgres", "passwords.yml.j2", **values)
        )
        return Workload(
            **vars(peer),
            image="postgres",
            memory_mib=settings.memory_mib,
            cpus=settings.cpus,
            environment={
                "PATRONI_NAME": "{member}",
                "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{{member}}:{REST_PORT}",
                "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"{{member}}:{POSTGRES_PORT}",
            },
            files={"patroni.yml": patroni},
            secret_files={
                **certificate.files(),
                **consensus.files("consensus-"),
                "passwords.yml": passwords,
                # No secret, but nothing that a running member would have to be replaced for.
                "bootstrap.yml": bootstrap,
            },
            ports=(Port("postgres", POSTGRES_PORT), Port("rest", REST_PORT)),
            data=Data("/var/lib/postgresql"),
            scratch={"/tmp": 64, "/run/postgresql": 16},
            # The provisioner's name stands in Patroni's list of who may change something; a name
            # that does not resolve there holds up every start by the resolver's 10 s.
            talks_to=(etcd, PROVISIONER),
            readiness=Readiness(
                ("/usr/local/bin/ready", str(REST_PORT)),
                meaning="PostgreSQL to accept connections and stream",
                timeout_seconds=5,
                within_seconds=120,
            ),
            one_at_a_time=True,
            stop_grace_seconds=60,
        )

    def _provision(self, members: Workload) -> Workload:
        """The job that makes roles, databases and dynamic settings what the stack file says."""
        # The superuser is let in over the network only with a certificate in its own name.
        certificate = self._args.authority.issue(
            PROVISIONER.name, common_name="postgres", dns_names=PROVISIONER.members
        )
        plan = {
            "members": list(members.members),
            "postgres_port": POSTGRES_PORT,
            "rest_port": REST_PORT,
            "databases": [database.model_dump() for database in self._settings.databases],
            "dynamic_configuration": dynamic_configuration(self._settings),
        }
        roles = ("postgres", "pgbouncer", "monitor", *self._settings.owners)
        passwords = pulumi.Output.all(**{role: self._passwords[role] for role in roles})
        return Workload(
            **vars(PROVISIONER),
            image="postgres",
            memory_mib=JOB_MEMORY_MIB,
            cpus=1.0,
            command=("/usr/local/bin/provision",),
            files={"provision.json": json.dumps(plan, sort_keys=True)},
            secret_files={**certificate.files(), "passwords.json": passwords.apply(json.dumps)},
            talks_to=(members,),
            scratch={"/tmp": 16},
            runs_once=True,
        )

    def _routers(self, members: Workload) -> Workload:
        settings = self._settings.routers
        peer = Peer("router", 3, settings.replicas, (Segment.ACCESS, Segment.DATA))
        names = peer.members
        certificate = self._args.authority.issue(
            "router",
            common_name="router",
            dns_names=(*names, "router", "localhost"),
            ip_addresses=tuple(dict.fromkeys(("127.0.0.1", self._args.host))),
        )
        haproxy = render(
            self._args.root,
            "router",
            "haproxy.cfg.j2",
            # Both pools of every client can be busy at once, and the checks need some.
            max_connections=2 * settings.max_client_connections + 100,
            rest_port=REST_PORT,
            postgres_port=POSTGRES_PORT,
            health_port=HAPROXY_HEALTH_PORT,
            primary_port=HAPROXY_PRIMARY_PORT,
            replica_port=HAPROXY_REPLICA_PORT,
            replica_max_lag_mib=REPLICA_MAX_LAG_MIB,
            members=members.members,
        )

        def pgbouncer(purpose: str, listen_port: int, server_port: int, check: str) -> str:
            return render(
                self._args.root,
                "router",
                "pgbouncer.ini.j2",
                purpose=purpose,
                listen_port=listen_port,
                server_port=server_port,
                server_name="postgres",
                check_query=check,
                pool_size=settings.pool_size,
                max_client_connections=settings.max_client_connections,
            )

        return Workload(
            **vars(peer),
            image="router",
            memory_mib=ROUTER_MEMORY_MIB,
            cpus=1.0,
            files={
                "haproxy.cfg": haproxy,
                "pgbouncer-hba.conf": render(self._args.root, "router", "pgbouncer-hba.conf"),
                "pgbouncer-read-write.ini": pgbouncer(
                    "read and write", POSTGRES_PORT, HAPROXY_PRIMARY_PORT, PRIMARY_CHECK
                ),
                "pgbouncer-read-only.ini": pgbouncer(
                    "read only", POSTGRES_PORT + 1, HAPROXY_REPLICA_PORT, ""
                ),
            },
            secret_files={
                **certificate.files(),
                # HAProxy reads a certificate and its key from one file.
                "tls.pem": pulumi.Output.concat(certificate.certificate, certificate.key),
                "userlist.txt": pulumi.Output.concat(
                    '"pgbouncer" "', self._passwords["pgbouncer"], '"\n'
                ),
            },
            ports=(
                Port("read-write", POSTGRES_PORT, settings.published(settings.read_write_port)),
                Port("read-only", POSTGRES_PORT + 1, settings.published(settings.read_only_port)),
            ),
            scratch={"/tmp": 16},
            talks_to=(members,),
            loopback_names=("postgres",),
            readiness=Readiness(
                _router_probe(),
                meaning="PgBouncer and HAProxy to answer",
            ),
            # An application that knows both addresses keeps one while the other is replaced.
            one_at_a_time=True,
        )


def _https_probe(port: int, path: str) -> tuple[str, ...]:
    """A request of the container to itself, with its own certificate, verified."""
    return (
        *("curl", "--silent", "--fail", "--output", "/dev/null", "--max-time", "3"),
        *("--cacert", "/etc/selfmonitor/ca.crt"),
        *("--cert", "/etc/selfmonitor/tls.crt", "--key", "/etc/selfmonitor/tls.key"),
        f"https://localhost:{port}{path}",
    )


def _router_probe() -> tuple[str, ...]:
    """HAProxy answers, and both PgBouncers hold their ports (0x1538 is 5432, 0x1539 is 5433)."""
    ports = (POSTGRES_PORT, POSTGRES_PORT + 1)
    listening = " && ".join(f"grep -qi ':{port:04X} 0*:0000 0A' /proc/net/tcp*" for port in ports)
    probe = f"curl -sf -o /dev/null --max-time 2 http://127.0.0.1:{HAPROXY_HEALTH_PORT}/health"
    return ("/bin/sh", "-c", f"{probe} && {listening}")


def _endpoints(routers: RouterSettings, host: str) -> dict[str, list[dict[str, str | int]]]:
    """Where clients connect, by purpose, in the routers' order."""
    return {
        "read_write": [
            {"host": host, "port": p} for p in routers.published(routers.read_write_port)
        ],
        "read_only": [{"host": host, "port": p} for p in routers.published(routers.read_only_port)],
    }
