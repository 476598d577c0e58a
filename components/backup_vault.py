"""Where backups are kept: a place in the first region, and a second copy in another."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi

from components import passwords
from components.context import Context
from components.templates import render
from platforms.workload import Data, Peer, Port, Readiness, Segment, Workload
from settings.backup import BackupSettings, RecoverySettings

PORT = 7070
PORTS = (Port("s3", PORT),)
# Who may do what in a vault: writer (no version is ever deleted by it), reader, and tester, which
# reads and keeps the evidence of its tests.
IDENTITIES = ("writer", "reader", "tester")
COPY_IDENTITIES = ("writer", "reader")

LOOKING = (
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation"),
    *("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"),
)
READING = ("s3:GetObject", "s3:GetObjectVersion")
# Deleting leaves a marker and the version below it: to delete a version is another right, and
# nobody has it.
WRITING = (
    *("s3:PutObject", "s3:DeleteObject"),
    *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
)

# A stack that begins with a backup reads all of it first.
RECOVERY_SECONDS = 6 * 3600

# What a full backup of pgBackRest and a client of S3 call the stack's history of backups.
STANZA = "main"

# What the backup service's program is told where it runs before there is a database.
NO_DATABASES = {
    "postgres": {"members": [], "port": 0, "databases": []},
    "redis": {"members": {}, "port": 0},
    "schedules": {},
    "canary_seconds": 0,
    "journal_seconds": 0,
    "invariants": [],
}


def policy(identity: str) -> list[dict[str, str | list[str]]]:
    """What an identity may do, in the words of S3; Resource is relative to the bucket."""
    written = {"writer": "/*", "tester": "/records/*"}
    statements: list[dict[str, str | list[str]]] = [
        {"Action": list(LOOKING), "Resource": ""},
        {"Action": list(READING), "Resource": "/*"},
    ]
    if identity in written:
        statements.append({"Action": list(WRITING), "Resource": written[identity]})
    return statements


@dataclass(frozen=True)
class Place:
    """One place that keeps objects, whoever runs it.

    peer: whom a workload must find by name; None where the platform's own names do.
    credentials: {identity: secret key}; an identity that is missing is the workload's own role.
    """

    host: str
    port: int
    region: str
    bucket: str
    credentials: Mapping[str, pulumi.Output[str]]
    peer: Peer | None
    servers: tuple[pulumi.Resource, ...]

    def address(self) -> dict[str, str | None]:
        """As the backup service's programs read it."""
        return {
            "endpoint": f"https://{self.host}:{self.port}",
            "region": self.region,
            "bucket": self.bucket,
            "ca": "/etc/selfmonitor/ca.crt",
        }

    def secrets(self, name: str, identity: str) -> dict[str, pulumi.Input[str]]:
        """The secret file by which a program becomes one of the identities."""
        return {
            f"{name}.credentials.json": self.credentials[identity].apply(
                lambda secret: json.dumps({"access_key": identity, "secret_key": secret})
            )
        }

    @property
    def peers(self) -> tuple[Peer, ...]:
        """For a workload's talks_to."""
        return (self.peer,) if self.peer else ()


@dataclass(frozen=True)
class BackupVaultArgs:
    """Its own settings, and what all components share. recovery: what the stack begins with."""

    settings: BackupSettings
    recovery: RecoverySettings | None
    context: Context


class BackupVault(pulumi.ComponentResource):
    """Outputs: keys (secret), by which what it holds is read.

    `place` and `copy` are for those that write and read; `copy` is None without a second region.
    The keys are made here and go to those that need them; no vault is ever given one. `recovery`
    is what the stack begins with, if not empty.
    """

    settings: BackupSettings
    recovery: RecoverySettings | None
    place: Place
    copy: Place | None
    keys: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: BackupVaultArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:BackupVault", name, None, opts)
        self._context = args.context
        self.settings = args.settings
        self.recovery = args.recovery
        self.keys = passwords.generate(f"{name}-key", ("repository", "logical"), self)
        vault = self.settings.vault
        self.place = self._embedded(
            name,
            Peer("vault", 8, 1, (Segment.BACKUP, Segment.RESTORE), PORTS),
            vault.region,
            f"selfmonitor-{self._context.stack}",
            IDENTITIES,
        )
        self.copy = None
        if self.settings.second_region:
            self.copy = self._embedded(
                f"{name}-copy",
                Peer("vault-copy", 9, 1, (Segment.REMOTE,), PORTS),
                vault.copy_region,
                f"selfmonitor-{self._context.stack}-copy",
                COPY_IDENTITIES,
            )
        if self.copy and self.recovery and self.recovery.source == "copy":
            seeded = self._context.platform.run(
                self._seed(self.copy), self, after=(*self.place.servers, *self.copy.servers)
            )
            self.place = replace(self.place, servers=seeded)
        self.register_outputs({"keys": pulumi.Output.secret(pulumi.Output.all(**self.keys))})

    def pgbackrest(self, identity: str, spool: str, **more: object) -> dict[str, pulumi.Input[str]]:
        """The secret file pgbackrest.conf for one of the identities.

        spool: a folder of persistent data, for WAL on its way. more: see the template.
        """
        place = self.place
        values = {"cipher_pass": self.keys["repository"], "secret_key": place.credentials[identity]}
        text = pulumi.Output.all(**values).apply(
            lambda secrets: render(
                self._context.root,
                "backup",
                "pgbackrest.conf.j2",
                bucket=place.bucket,
                host=place.host,
                port=place.port,
                region=place.region,
                access_key=identity,
                retention_days=self.settings.retention_days,
                stanza=STANZA,
                spool=spool,
                **{"serves": False, "members": (), **more},
                **secrets,
            )
        )
        return {"pgbackrest.conf": text}

    def _embedded(
        self, name: str, peer: Peer, region: str, bucket: str, identities: tuple[str, ...]
    ) -> Place:
        """The S3 server this project brings along, in a container of its own."""
        host = peer.members[0]
        secrets = passwords.generate(name, identities, self)
        certificate = self._context.authority.issue(
            peer.name,
            common_name=peer.name,
            dns_names=(*peer.members, peer.name, "localhost"),
            ip_addresses=("127.0.0.1",),
        )
        configuration = {
            "bucket": bucket,
            "region": region,
            "port": PORT,
            "lock_days": self.settings.lock_days,
            "policies": {identity: policy(identity) for identity in identities},
        }
        workload = Workload(
            **vars(peer),
            image="vault",
            memory_mib=self.settings.vault.memory_mib,
            cpus=1.0,
            files={"vault.json": json.dumps(configuration, sort_keys=True)},
            secret_files={
                **certificate.files(),
                "identities.json": pulumi.Output.all(**secrets).apply(
                    lambda values: json.dumps(values, sort_keys=True)
                ),
            },
            data=Data("/var/lib/vault", self.settings.vault.volume_gib),
            scratch={"/tmp": 64, "/run/vault": 4},
            readiness=Readiness(
                ("/usr/local/bin/ready", str(PORT)),
                meaning="the bucket, locked and versioned",
                timeout_seconds=5,
            ),
        )
        return Place(
            host=host,
            port=PORT,
            region=region,
            bucket=bucket,
            credentials=secrets,
            peer=peer,
            servers=self._context.platform.run(workload, self),
        )

    def _seed(self, copy: Place) -> Workload:
        """The job that fills an empty vault from the second region's copy."""
        peer = Peer("seed", 14, 1, (Segment.BACKUP, Segment.REMOTE))
        configuration = {
            "stack": self._context.stack,
            "stanza": STANZA,
            "vault": self.place.address(),
            "copy": copy.address(),
            "retention_days": self.settings.retention_days,
            **NO_DATABASES,
        }
        return Workload(
            **vars(peer),
            image="backup",
            command=("/usr/local/bin/backup-service", "seed"),
            memory_mib=self.settings.memory_mib,
            cpus=1.0,
            files={"backup.json": json.dumps(configuration, sort_keys=True)},
            secret_files={
                "ca.crt": self._context.authority.certificate,
                **self.place.secrets("vault", "writer"),
                **copy.secrets("copy", "reader"),
            },
            scratch={"/tmp": 64},
            talks_to=(*self.place.peers, *copy.peers),
            runs_once=True,
            patience_seconds=RECOVERY_SECONDS,
        )
