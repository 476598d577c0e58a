"""What makes, rotates, copies and proves backups, and what restores them."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi

from components.backup_vault import RECOVERY_SECONDS, STANZA, BackupVault
from components.context import Context
from components.postgres_configuration import (
    BACKUP_SERVER_PORT,
    DATA_DIRECTORY,
    POSTGRES_PORT,
)
from components.postgres_ha import BACKUP_CLIENT, PostgresHA
from components.redis_sentinel import REDIS_PORT, RedisSentinel
from components.routers import Routers
from components.vault_place import Place
from platforms.workload import Data, Peer, Port, Readiness, Scheduled, Segment, Workload
from settings.postgres import PostgresSettings

IMAGE = "backup"
DATA = "/var/lib/backup"
# How often the canary's journal goes to the vault: what a restore test may compare with.
JOURNAL_SECONDS = 30
CPUS = 2.0
# A run that takes longer hangs; the same as the program's own scheduler allows.
LONGEST_JOB_SECONDS = 24 * 3600


@dataclass(frozen=True)
class BackupServiceArgs:
    """What it backs up, and where. settings: of the databases it dumps."""

    settings: PostgresSettings
    vault: BackupVault
    postgres: PostgresHA
    redis: RedisSentinel
    routers: Routers
    context: Context


class BackupService(pulumi.ComponentResource):
    """One program in several containers, each with the least it needs.

    backup: schedules, backups, dumps, snapshots, the canary. replication: the second region's
    copy, without a key to read it. restore-test: restores what is there, on a network without the
    databases. side: the instance a person restores into.
    """

    def __init__(
        self, name: str, args: BackupServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:BackupService", name, None, opts)
        self._args = args
        self._context = args.context
        self._vault = args.vault
        run = self._context.platform.run
        databases = (*args.postgres.servers, *args.redis.servers)
        backup = run(self._backup(), self, after=databases)
        if self._vault.copy:
            copy = self._vault.copy
            run(self._replication(copy), self, after=(*backup, *copy.servers))
        run(self._restore_test(), self, after=self._vault.place.servers)
        run(self._side(), self, after=self._vault.place.servers)
        recovery = self._vault.recovery
        if recovery and recovery.redis:
            before = (*args.redis.servers, *self._vault.place.servers)
            run(self._load_redis(recovery.redis_before), self, after=before)
        self.register_outputs({})

    def _configuration(self, *, copy: Place | None = None) -> str:
        settings = self._vault.settings
        schedules = settings.schedules.model_dump()
        schedules["restore-test"] = schedules.pop("restore_test")
        text: dict[str, Any] = {
            "stack": self._context.stack,
            "stanza": STANZA,
            "vault": self._vault.place.address(),
            "copy": copy.address() if copy else None,
            "postgres": {
                "members": list(self._args.postgres.members.members),
                "port": POSTGRES_PORT,
                "databases": [
                    {"name": each.name, "owner": each.owner}
                    for each in self._args.settings.databases
                ],
            },
            "redis": {"members": self._args.redis.addresses(), "port": REDIS_PORT},
            "schedules": schedules,
            "retention_days": settings.retention_days,
            "canary_seconds": settings.canary_seconds,
            "journal_seconds": JOURNAL_SECONDS,
            "invariants": [each.model_dump() for each in settings.invariants],
            "side": {"port": POSTGRES_PORT},
        }
        if self._context.platform.runs_schedules:
            text["scheduler"] = False
        if copy and self._vault.place.copies_itself:
            text["copied_by"] = "vault"
        return json.dumps(text, sort_keys=True)

    def _schedules(self, *kinds: str) -> tuple[Scheduled, ...]:
        """What a platform with a scheduler of its own runs, in the same words as ours."""
        cron = self._vault.settings.schedules.model_dump()
        return tuple(
            Scheduled(
                name=kind,
                cron=cron[kind.replace("-", "_")],
                command=("/usr/local/bin/backup-service", "run", kind),
                deadline_seconds=LONGEST_JOB_SECONDS,
            )
            for kind in kinds
        )

    def _certificate(self, peer: Peer, common_name: str | None = None) -> dict[str, Any]:
        names = self._context.platform.entrance_names(peer)
        certificate = self._context.authority.issue(
            peer.name,
            common_name=common_name or peer.name,
            dns_names=(*peer.members, peer.name, "localhost", *names.dns),
            ip_addresses=tuple(dict.fromkeys(("127.0.0.1", *names.ip))),
        )
        return dict(certificate.files())

    def _workload(self, peer: Peer, meaning: str, **more: Any) -> Workload:
        # The scheduler and what it starts; a program that restores runs a whole server.
        return Workload(
            **{
                **vars(peer),
                "image": IMAGE,
                "memory_mib": self._vault.settings.memory_mib,
                "cpus": CPUS,
                "background": True,
                "command": (
                    "/usr/local/bin/supervise",
                    f"/usr/local/share/selfmonitor/{peer.name}.json",
                ),
                "data": Data(DATA, self._vault.settings.volume_gib),
                "scratch": {"/tmp": 64},
                "readiness": Readiness(
                    ("/usr/local/bin/ready", peer.name), meaning=meaning, timeout_seconds=5
                ),
                "stop_grace_seconds": 30,
                **more,
            }
        )

    def _reading(self) -> dict[str, pulumi.Input[str]]:
        """What reads the repository, and keeps evidence beside it."""
        return {
            **self._vault.place.secrets("vault", "tester"),
            **self._vault.pgbackrest("tester", f"{DATA}/spool"),
        }

    def _backup(self) -> Workload:
        peer = Peer("backup", 10, 1, (Segment.BACKUP, Segment.CACHE))
        members = self._args.postgres.members
        return self._workload(
            peer,
            "the repository, and the first change of the canary",
            **self._vault.place.access("writer"),
            files={"backup.json": self._configuration()},
            secret_files={
                **self._certificate(peer, BACKUP_CLIENT),
                **self._vault.place.secrets("vault", "writer"),
                **self._vault.pgbackrest(
                    "writer",
                    f"{DATA}/spool",
                    members=list(members.members),
                    server_port=BACKUP_SERVER_PORT,
                    data_directory=DATA_DIRECTORY,
                    postgres_port=POSTGRES_PORT,
                ),
                "logical.key": self._vault.keys["logical"],
                "postgres.password": self._args.postgres.backup_password,
                "redis.password": self._args.redis.passwords["backup"],
            },
            talks_to=(*self._vault.place.peers, members, self._args.redis.members),
            schedules=self._schedules("full", "differential", "logical", "redis"),
        )

    def _replication(self, copy: Place) -> Workload:
        peer = Peer("replication", 11, 1, (Segment.BACKUP, Segment.REMOTE))
        return self._workload(
            peer,
            "the second copy to be looked after",
            # It carries WAL to where it is safe.
            background=False,
            **self._vault.place.access("follower", copy),
            files={"backup.json": self._configuration(copy=copy)},
            secret_files={
                **self._certificate(peer),
                **self._vault.place.secrets("vault", "reader"),
                **copy.secrets("copy", "writer"),
            },
            talks_to=(*self._vault.place.peers, *copy.peers),
        )

    def _restore_test(self) -> Workload:
        peer = Peer("restore-test", 12, 1, (Segment.RESTORE,))
        memory = self._vault.settings.memory_mib
        return self._workload(
            peer,
            "its schedule",
            memory_mib=memory + max(memory, self._args.redis.data_mib),
            **self._vault.place.access("tester"),
            files={"backup.json": self._configuration()},
            secret_files={
                **self._certificate(peer),
                **self._reading(),
                "logical.key": self._vault.keys["logical"],
            },
            talks_to=self._vault.place.peers,
            schedules=self._schedules("restore-test"),
        )

    def _side(self) -> Workload:
        ports = (Port("postgres", POSTGRES_PORT, (self._vault.settings.side_port,)),)
        peer = Peer("side", 13, 1, (Segment.ACCESS, Segment.RESTORE), ports)
        return self._workload(
            peer,
            "a restore to be asked for",
            memory_mib=2 * self._vault.settings.memory_mib,
            **self._vault.place.access("tester"),
            files={"backup.json": self._configuration()},
            secret_files={**self._certificate(peer), **self._reading()},
            talks_to=(*self._vault.place.peers, self._args.routers.workload),
        )

    def _load_redis(self, before: str | None) -> Workload:
        peer = Peer("load-redis", 15, 1, (Segment.BACKUP, Segment.CACHE))
        return self._workload(
            peer,
            "",
            command=(
                *("/usr/local/bin/backup-service", "load-redis"),
                *(("--before", before) if before else ()),
            ),
            readiness=None,
            runs_once=True,
            patience_seconds=RECOVERY_SECONDS,
            data=None,
            # A snapshot, decrypted, and a server that has loaded it: both in memory, and gone
            # with the job.
            memory_mib=self._vault.settings.memory_mib + 2 * self._args.redis.data_mib,
            scratch={"/tmp": 64 + self._args.redis.data_mib, DATA: 16},
            **self._vault.place.access("reader"),
            files={"backup.json": self._configuration()},
            secret_files={
                **self._certificate(peer),
                **self._vault.place.secrets("vault", "reader"),
                "logical.key": self._vault.keys["logical"],
                "redis-restore.password": self._args.redis.passwords["restore"],
            },
            talks_to=(*self._vault.place.peers, self._args.redis.members),
        )
