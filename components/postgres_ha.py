"""PostgreSQL that survives its primary: members and their consensus store."""

import json
from dataclasses import dataclass

import pulumi

from components import passwords
from components.backup_vault import RECOVERY_SECONDS, BackupVault
from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.context import Context
from components.postgres_configuration import (
    BACKUP_SERVER_PORT,
    DATA_DIRECTORY,
    POSTGRES_PORT,
    REST_PORT,
    dynamic_configuration,
    server_parameters,
)
from components.probes import https_probe
from components.templates import render
from platforms.workload import (
    Data,
    Peer,
    Port,
    Readiness,
    Segment,
    Workload,
)
from settings.postgres import PostgresSettings

ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
# Stands in the certificates of the consensus store's own members: no client becomes a peer.
ETCD_PEER_NAME = "consensus-peer"

ETCD_MEMORY_MIB = 256
JOB_MEMORY_MIB = 128

PROVISIONER = Peer("provision", 4, 1, (Segment.DATA,))

# Roles of the cluster itself, one a purpose; the applications' own are in the stack file.
CLUSTER_ROLES = ("postgres", "replicator", "rewind", "pgbouncer", "monitor", "backup")
# Whose certificate lets read a member's files.
BACKUP_CLIENT = "backup"


@dataclass(frozen=True)
class PostgresHAArgs:
    """Its own settings, where its WAL goes, and what all components share."""

    settings: PostgresSettings
    vault: BackupVault
    context: Context


class PostgresHA(pulumi.ComponentResource):
    """Outputs: ca_certificate, the owners' passwords (secret).

    `members` and `servers` are for those that come after: whom to talk to, and what to wait for;
    `pooler_password` is the one by which a router looks up who may log in, `backup_password` the
    backup service's own.
    """

    members: Workload
    servers: tuple[pulumi.Resource, ...]
    pooler_password: pulumi.Output[str]
    backup_password: pulumi.Output[str]
    passwords: pulumi.Output[dict[str, str]]
    ca_certificate: pulumi.Output[str]

    def __init__(
        self, name: str, args: PostgresHAArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:PostgresHA", name, None, opts)
        self._context = args.context
        self._settings = args.settings
        self._args = args
        self._passwords = passwords.generate(name, (*CLUSTER_ROLES, *self._settings.owners), self)

        # An authority of its own: whoever it has not certified (a router, the provisioning job)
        # cannot even speak to the consensus store. etcd's check of names in client certificates
        # would do the same with one authority, but its gateway, which Patroni uses, fails it.
        self._consensus_authority = CertificateAuthority(
            f"{name}-consensus-authority",
            CertificateAuthorityArgs(
                common_name=f"selfmonitor {self._context.stack} consensus",
                settings=self._context.certificates,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        etcd = self._etcd()
        members = self._members(etcd)
        consensus = self._context.platform.run(etcd, self)
        # The vault first: the first thing a new cluster does is ask whether it has a past.
        before = (*consensus, *args.vault.place.servers)
        servers = self._context.platform.run(members, self, after=before)
        job = self._context.platform.run(self._provision(members), self, after=servers)

        self.members = members
        self.servers = job
        self.pooler_password = self._passwords["pgbouncer"]
        self.backup_password = self._passwords["backup"]
        owned = {role: self._passwords[role] for role in self._settings.owners}
        self.passwords = pulumi.Output.secret(pulumi.Output.all(**owned))
        self.ca_certificate = self._context.authority.certificate
        self.register_outputs(
            {
                "passwords": self.passwords,
                "ca_certificate": self.ca_certificate,
            }
        )

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
            "ETCD_INITIAL_CLUSTER_TOKEN": f"selfmonitor-{self._context.stack}",
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
                https_probe(ETCD_CLIENT_PORT, "/health"),
                meaning="a quorum of the consensus store",
            ),
        )

    def _members(self, etcd: Workload) -> Workload:
        settings = self._settings
        peer = Peer("postgres", 2, settings.members, (Segment.DATA, Segment.BACKUP))
        names = peer.members
        certificate = self._context.authority.issue(
            "postgres-member",
            common_name="postgres-member",
            dns_names=(*names, "postgres", "localhost"),
            ip_addresses=("127.0.0.1",),
        )
        consensus = self._consensus_authority.issue(
            "patroni", common_name="patroni", dns_names=("patroni",)
        )
        patroni = render(
            self._context.root,
            "postgres",
            "patroni.yml.j2",
            cluster=f"selfmonitor-{self._context.stack}",
            rest_port=REST_PORT,
            postgres_port=POSTGRES_PORT,
            members=names,
            provisioner=PROVISIONER.members[0],
            consensus_hosts=[f"{name}:{ETCD_CLIENT_PORT}" for name in etcd.members],
            data_directory=DATA_DIRECTORY,
            parameters=server_parameters(
                settings, self._args.vault.settings.archive_timeout_seconds
            ),
        )
        bootstrap = render(
            self._context.root,
            "postgres",
            "bootstrap.yml.j2",
            dynamic_configuration=dynamic_configuration(settings),
        )
        own = {role: self._passwords[role] for role in ("postgres", "replicator", "rewind")}
        passwords = pulumi.Output.all(**own).apply(
            lambda values: render(self._context.root, "postgres", "passwords.yml.j2", **values)
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
                **self._args.vault.place.environment("writer"),
            },
            files={"patroni.yml": patroni},
            secret_files={
                **certificate.files(),
                **consensus.files("consensus-"),
                "passwords.yml": passwords,
                # No secret, but nothing that a running member would have to be replaced for.
                "bootstrap.yml": bootstrap,
                "recovery.json": self._recovery(),
                **self._args.vault.pgbackrest(
                    "writer",
                    "/var/lib/postgresql/spool",
                    serves=True,
                    server_port=BACKUP_SERVER_PORT,
                    client_name=BACKUP_CLIENT,
                    data_directory=DATA_DIRECTORY,
                    postgres_port=POSTGRES_PORT,
                ),
            },
            ports=(
                Port("postgres", POSTGRES_PORT),
                Port("rest", REST_PORT),
                Port("backup", BACKUP_SERVER_PORT),
            ),
            data=Data("/var/lib/postgresql"),
            scratch={"/tmp": 64, "/run/postgresql": 16},
            # The provisioner's name stands in Patroni's list of who may change something; a name
            # that does not resolve there holds up every start by the resolver's 10 s.
            talks_to=(etcd, PROVISIONER, *self._args.vault.place.peers),
            readiness=Readiness(
                ("/usr/local/bin/ready", str(REST_PORT)),
                meaning="PostgreSQL to accept connections and stream",
                timeout_seconds=5,
            ),
            patience_seconds=RECOVERY_SECONDS if self._args.vault.recovery else None,
            one_at_a_time=True,
            stop_grace_seconds=60,
        )

    def _recovery(self) -> str:
        """What a member without data, in a cluster without data, begins with."""
        recovery = self._args.vault.recovery
        if recovery is None:
            return json.dumps({"from": "nothing", "to": None})
        return json.dumps({"from": "vault", "to": recovery.to})

    def _provision(self, members: Workload) -> Workload:
        """The job that makes roles, databases and dynamic settings what the stack file says."""
        # The superuser is let in over the network only with a certificate in its own name.
        certificate = self._context.authority.issue(
            PROVISIONER.name, common_name="postgres", dns_names=PROVISIONER.members
        )
        plan = {
            "members": list(members.members),
            "postgres_port": POSTGRES_PORT,
            "rest_port": REST_PORT,
            "databases": [database.model_dump() for database in self._settings.databases],
            "dynamic_configuration": dynamic_configuration(self._settings),
        }
        roles = ("postgres", "pgbouncer", "monitor", "backup", *self._settings.owners)
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
