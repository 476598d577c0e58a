"""What this program is told: backup.json and the files beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup_service.errors import WrongInput

FILES = Path("/etc/selfmonitor")
DATA = Path("/var/lib/backup")


@dataclass(frozen=True)
class VaultAddress:
    """Where a vault is. ca: the authority of its certificate; None: those the system trusts.

    style: whether the bucket stands in the path, or in the host's name (virtual).
    """

    endpoint: str
    region: str
    bucket: str
    ca: str | None
    style: str = "path"


@dataclass(frozen=True)
class Database:
    """One that is dumped."""

    name: str
    owner: str


@dataclass(frozen=True)
class Postgres:
    """The members, whoever of them is primary."""

    members: tuple[str, ...]
    port: int
    databases: tuple[Database, ...]


@dataclass(frozen=True)
class Redis:
    """members: name → address."""

    members: dict[str, str]
    port: int


@dataclass(frozen=True)
class Invariant:
    """What must hold in whatever is restored: `sql` returns true."""

    name: str
    database: str
    sql: str


@dataclass(frozen=True)
class Side:
    """Where the second instance, restored beside the running one, listens."""

    port: int


@dataclass(frozen=True)
class Settings:
    """schedules: kind → cron expression, in UTC. starts_scheduled: whether this program starts what
    they say; if not, somebody else does, and they are only told.

    canary_seconds: between two commits of the canary; journal_seconds: between two parts of its
    journal in the vault. copies: whether this program makes the copy; else the vault does.
    """

    stack: str
    stanza: str
    vault: VaultAddress
    copy: VaultAddress | None
    postgres: Postgres
    redis: Redis
    schedules: dict[str, str]
    retention_days: int
    canary_seconds: float
    journal_seconds: float
    invariants: tuple[Invariant, ...]
    side: Side | None
    starts_scheduled: bool = True
    copies: bool = True

    @staticmethod
    def load(path: Path | None = None) -> "Settings":
        """From backup.json. Raises WrongInput: it is not there, or not of this project's making."""
        path = path or FILES / "backup.json"
        try:
            return parse(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise WrongInput(f"{path} is not what it should be: {error!r}") from None


def parse(found: dict[str, Any]) -> Settings:
    """Raises KeyError or TypeError: it was not written by this project."""
    postgres, redis = found["postgres"], found["redis"]
    return Settings(
        stack=found["stack"],
        stanza=found["stanza"],
        vault=VaultAddress(**found["vault"]),
        copy=VaultAddress(**found["copy"]) if found.get("copy") else None,
        postgres=Postgres(
            members=tuple(postgres["members"]),
            port=postgres["port"],
            databases=tuple(Database(**each) for each in postgres["databases"]),
        ),
        redis=Redis(members=dict(redis["members"]), port=redis["port"]),
        schedules=dict(found["schedules"]),
        retention_days=found["retention_days"],
        canary_seconds=found["canary_seconds"],
        journal_seconds=found["journal_seconds"],
        invariants=tuple(Invariant(**each) for each in found["invariants"]),
        side=Side(**found["side"]) if found.get("side") else None,
        starts_scheduled=found.get("scheduler", True),
        copies=found.get("copied_by", "service") == "service",
    )


def credentials(name: str) -> Path | None:
    """The file with the vault's ("vault") or the copy's ("copy") credentials.

    None when there is none: then they come from the role this program runs under.
    """
    path = FILES / f"{name}.credentials.json"
    return path if path.exists() else None
