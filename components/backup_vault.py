"""Where backups are kept: a place in the first region, and a second copy in another."""

import json
from dataclasses import dataclass, replace

import pulumi

from components import passwords
from components.context import Context
from components.templates import render
from components.vault_place import COPY_IDENTITIES, IDENTITIES, Credentials, Place, policy
from components.vault_s3 import s3_place
from platforms.workload import Data, Peer, Port, Readiness, Segment, Workload
from settings.backup import BackupSettings, RecoverySettings
from settings.vault import AwsVaultSettings, EmbeddedVaultSettings, S3VaultSettings

PORT = 7070
PORTS = (Port("s3", PORT),)
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
        if isinstance(vault, AwsVaultSettings):
            self.place, self.copy = self._aws(name, vault)
        elif isinstance(vault, S3VaultSettings):
            copies = vault.copy_place if self.settings.second_region else None
            self.place = s3_place("vault", vault.place)
            self.copy = s3_place("copy", copies) if copies else None
        else:
            self.place, self.copy = self._own(name, vault)
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
        values: dict[str, pulumi.Input[str]] = {"cipher_pass": self.keys["repository"]}
        if identity in place.credentials:
            key = place.credentials[identity]
            values |= {"access_key": key.access_key, "secret_key": key.secret_key}
        if place.kms_key is not None:
            values["kms_key"] = place.kms_key
        text = pulumi.Output.all(**values).apply(
            lambda known: render(
                self._context.root,
                "backup",
                "pgbackrest.conf.j2",
                bucket=place.bucket,
                host=place.host,
                port=place.port,
                region=place.region,
                uri_style="path" if place.path_style else "host",
                ca_file=place.address()["ca"],
                retention_days=self.settings.retention_days,
                stanza=STANZA,
                spool=spool,
                **{
                    **dict.fromkeys(("access_key", "secret_key", "kms_key")),
                    **{"serves": False, "members": (), **more},
                    **known,
                },
            )
        )
        return {**place.certificates(), "pgbackrest.conf": text}

    def _aws(self, name: str, vault: AwsVaultSettings) -> tuple[Place, Place | None]:
        # Loading the SDK of AWS takes a second, which no other stack should have to wait for.
        from components.vault_aws import AwsVault, AwsVaultArgs

        made = AwsVault(
            f"{name}-aws",
            AwsVaultArgs(
                stack=self._context.stack,
                settings=vault,
                retention_days=self.settings.retention_days,
                lock_days=self.settings.lock_days,
                copies=self.settings.second_region,
                seeding=self.recovery is not None and self.recovery.source == "copy",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.place, made.copy

    def _own(self, name: str, vault: EmbeddedVaultSettings) -> tuple[Place, Place | None]:
        """The server this project brings along, and another one that stands for another region."""
        place = self._embedded(
            name,
            Peer("vault", 8, 1, (Segment.BACKUP, Segment.RESTORE), PORTS),
            vault,
            vault.region,
            f"selfmonitor-{self._context.stack}",
            IDENTITIES,
        )
        if not self.settings.second_region:
            return place, None
        copy = self._embedded(
            f"{name}-copy",
            Peer("vault-copy", 9, 1, (Segment.REMOTE,), PORTS),
            vault,
            vault.copy_region,
            f"selfmonitor-{self._context.stack}-copy",
            COPY_IDENTITIES,
        )
        return place, copy

    def _embedded(
        self,
        name: str,
        peer: Peer,
        vault: EmbeddedVaultSettings,
        region: str,
        bucket: str,
        identities: tuple[str, ...],
    ) -> Place:
        """One of them, in a container of its own."""
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
            memory_mib=vault.memory_mib,
            cpus=1.0,
            files={"vault.json": json.dumps(configuration, sort_keys=True)},
            secret_files={
                **certificate.files(),
                "identities.json": pulumi.Output.all(**secrets).apply(
                    lambda values: json.dumps(values, sort_keys=True)
                ),
            },
            data=Data("/var/lib/vault", vault.volume_gib),
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
            credentials={each: Credentials(each, secret) for each, secret in secrets.items()},
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
            **self.place.access("seeder", copy),
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
