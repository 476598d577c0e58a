"""PostgreSQL that survives its primary: members and their consensus store."""

import json
from dataclasses import dataclass

import pulumi

from components import passwords
from components.backup_vault import RECOVERY_SECONDS, BackupVault
from components.consensus import ConsensusAccess, in_etcd, in_platform
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

JOB_MEMORY_MIB = 128
# A planned hand-over (images/postgres/hand-over): a checkpoint and two candidates at most; each
# has to wait for one round of Patroni's loop, which comes on top.
HAND_OVER_SECONDS = 50

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
        peer = Peer(
            "postgres",
            2,
            self._settings.members,
            (Segment.DATA, Segment.BACKUP),
            (
                Port("postgres", POSTGRES_PORT),
                Port("rest", REST_PORT),
                Port("backup", BACKUP_SERVER_PORT),
            ),
        )
        self._cluster = f"selfmonitor-{self._context.stack}"
        if self._context.platform.consensus == "etcd":
            self._rest_password = None
            access = in_etcd(name, self._settings, self._context, self)
        else:
            self._rest_password = passwords.generate(name, ("restapi",), self)["restapi"]
            access = in_platform(peer, self._cluster, self._context)
        members = self._members(peer, access)
        # The vault first: the first thing a new cluster does is ask whether it has a past.
        before = (*access.servers, *args.vault.place.servers)
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

    def _members(self, peer: Peer, access: ConsensusAccess) -> Workload:
        settings = self._settings
        names = peer.members
        certificate = self._context.authority.issue(
            "postgres-member",
            common_name="postgres-member",
            dns_names=(*names, "postgres", "localhost"),
            ip_addresses=("127.0.0.1",),
        )
        patroni = render(
            self._context.root,
            "postgres",
            "patroni.yml.j2",
            cluster=self._cluster,
            rest_port=REST_PORT,
            postgres_port=POSTGRES_PORT,
            members=names,
            provisioner=PROVISIONER.members[0],
            consensus_hosts=access.hosts,
            store=access.store,
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
        passwords = pulumi.Output.all(**own, restapi=self._rest_password or "").apply(
            lambda values: render(self._context.root, "postgres", "passwords.yml.j2", **values)
        )
        # The provisioner's name stands in Patroni's list of who may change something; a name that
        # does not resolve there holds up every start by the resolver's 10 s.
        named = (PROVISIONER,) if self._rest_password is None else ()
        access_to_vault = self._args.vault.place.access("writer")
        return Workload(
            **vars(peer),
            image="postgres",
            memory_mib=settings.memory_mib,
            cpus=settings.cpus,
            **{
                **access_to_vault,
                "environment": {
                    "PATRONI_NAME": "{member}",
                    "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{{member}}:{REST_PORT}",
                    "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"{{member}}:{POSTGRES_PORT}",
                    **access_to_vault["environment"],
                },
            },
            files={"patroni.yml": patroni},
            secret_files={
                **certificate.files(),
                **access.secret_files,
                **self._rest_password_file(),
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
            data=Data("/var/lib/postgresql", settings.volume_gib),
            scratch={"/tmp": 64, "/run/postgresql": 16},
            talks_to=(*access.talks_to, *named, *self._args.vault.place.peers),
            readiness=Readiness(
                ("/usr/local/bin/ready", str(REST_PORT)),
                meaning="PostgreSQL to accept connections and stream",
                timeout_seconds=5,
            ),
            # Whether Patroni's own loop runs, and nothing about PostgreSQL, which is Patroni's to
            # restart; patient, because what is restarted too early costs a failover.
            liveness=Readiness(
                https_probe(REST_PORT, "/liveness"),
                meaning="Patroni's loop to run",
                interval_seconds=10,
                timeout_seconds=5,
                pause_seconds=0,
                failures=6,
            ),
            before_stop=("/usr/local/bin/hand-over", str(REST_PORT)),
            before_stop_seconds=HAND_OVER_SECONDS + settings.failover.loop_wait_seconds,
            replace_members=("/usr/local/bin/update-members", "postgres", "{role_label}"),
            consensus=access.consensus,
            patience_seconds=RECOVERY_SECONDS if self._args.vault.recovery else None,
            one_at_a_time=True,
            stop_grace_seconds=60,
        )

    def _rest_password_file(self) -> dict[str, pulumi.Input[str]]:
        """By which members and the job prove to Patroni that they may change something.

        Where members have fixed addresses, these are what Patroni goes by. Where a name is what
        stays, the address that a request comes from is another one after each restart.
        """
        return {} if self._rest_password is None else {"restapi.password": self._rest_password}

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
            secret_files={
                **certificate.files(),
                **self._rest_password_file(),
                "passwords.json": passwords.apply(json.dumps),
            },
            talks_to=(members,),
            scratch={"/tmp": 16},
            runs_once=True,
        )
