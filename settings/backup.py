"""Where backups are kept, when they are made, how long they last, and what proves them."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from settings.base import Settings
from settings.postgres import Identifier
from settings.values import Port
from settings.vault import AwsVaultSettings, EmbeddedVaultSettings, S3VaultSettings, VaultSettings

# One part of a field of a cron schedule: a star, a number or a range, and a step.
CRON_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
CRON_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
# What a full backup must outlive its own rotation by: the differential backups and the WAL of the
# week after it rest on it, and the next one may begin late and take its time.
FULL_BACKUP_DAYS = 8
# From the switch of a WAL segment to its arrival in the vault, with room to spare.
TRANSFER_SECONDS = 10
# The second copy is looked through as a whole every 10 minutes: what is found only then may be that
# old before it is copied, and is no trouble.
COPY_LAG_SECONDS = 900


def must_be_cron(schedule: str) -> str:
    """Five fields of cron, in UTC."""
    fields = schedule.split()
    if len(fields) != len(CRON_LIMITS):
        raise ValueError(
            f"{schedule!r} is no schedule: five fields (minute hour day month weekday), "
            "e.g. '0 2 * * *' for daily at 02:00 UTC"
        )
    for field, limits in zip(fields, CRON_LIMITS, strict=True):
        if not all(_is_within(part, *limits) for part in field.split(",")):
            raise ValueError(f"{schedule!r}: {field} is not within {limits[0]}-{limits[1]}")
    return schedule


def _is_within(part: str, lowest: int, highest: int) -> bool:
    found = CRON_PART.fullmatch(part)
    if not found:
        return False
    first, last, step = (int(text) if text else None for text in found.groups())
    bounds = [lowest, *(each for each in (first, last) if each is not None), highest]
    return bounds == sorted(bounds) and step != 0


def must_run_every_week(schedule: str) -> str:
    """A schedule that leaves no week out: days are chosen by weekday alone."""
    if schedule.split()[2:4] != ["*", "*"]:
        raise ValueError(
            f"{schedule!r} may leave a week out: every restore begins with a full backup, and the "
            "vault guards one for a week beyond retention_days; choose days by the last field alone"
        )
    return schedule


class ScheduleSettings(Settings):
    """When each job begins: five fields of cron, UTC. A job that was missed runs when it can."""

    full: str = Field(default="0 1 * * 0", description="Full backup of PostgreSQL.")
    differential: str = Field(
        default="0 1 * * 1-6", description="Backup of what changed since the full one."
    )
    logical: str = Field(default="0 2 * * *", description="Dump of every database.")
    redis: str = Field(default="30 2 * * *", description="Snapshot of Redis.")
    restore_test: str = Field(
        default="0 4 * * *", description="The newest backups are restored and compared."
    )

    _cron = field_validator("full", "differential", "logical", "redis", "restore_test")(
        must_be_cron
    )
    _weekly = field_validator("full")(must_run_every_week)


class InvariantSettings(Settings):
    """Something that is true of the data, whatever happens; looked at after each restore test."""

    name: Annotated[str, Field(min_length=1, max_length=80)] = Field(description="What it says.")
    database: Identifier = Field(description="Where it is asked.")
    sql: Annotated[str, Field(min_length=1)] = Field(
        description="A query that returns one row with one value, true."
    )


class BackupSettings(Settings):
    """Backups and the proof that they restore."""

    retention_days: int = Field(
        default=30, ge=1, le=3650, description="How far back one can restore, days."
    )
    recovery_point_seconds: int = Field(
        default=60,
        ge=20,
        le=3600,
        description="With every machine lost at once and the vault alone left, at most the "
        "commits of this time are lost, s.",
    )
    canary_seconds: int = Field(
        default=5,
        ge=1,
        le=60,
        description="Pause between two changes of the canary table, by which restored content "
        "is compared, s.",
    )
    schedules: ScheduleSettings = Field(default=ScheduleSettings(), description="When.")
    invariants: tuple[InvariantSettings, ...] = Field(
        default=(), strict=False, description="What must be true of restored data."
    )
    vault: VaultSettings = Field(
        default=EmbeddedVaultSettings(), description="Where backups are kept."
    )
    second_region: bool = Field(
        default=True, description="Keep a second copy in a region of its own."
    )
    second_region_lag_seconds: int = Field(
        default=COPY_LAG_SECONDS,
        ge=60,
        le=86400,
        description="A second copy that is further behind makes the stack unhealthy, s.",
    )
    side_port: Port = Field(
        default=5440, description="Port of the instance that `restore` makes beside the cluster."
    )
    memory_mib: int = Field(
        default=512, ge=256, description="Limit of each part of the backup service, MiB."
    )
    volume_gib: int = Field(
        default=20,
        ge=1,
        description="Volume of each part of the backup service, GiB; Kubernetes only. A restore "
        "test and the instance beside the cluster hold a whole database in theirs.",
    )

    @model_validator(mode="after")
    def canary_is_faster_than_the_promise(self) -> "BackupSettings":
        if self.canary_seconds * 2 > self.recovery_point_seconds:
            raise ValueError(
                f"canary_seconds ({self.canary_seconds}) is more than half of "
                f"recovery_point_seconds ({self.recovery_point_seconds}): what is lost could not "
                "be told"
            )
        return self

    @model_validator(mode="after")
    def lock_outlives_what_rests_on_it(self) -> "BackupSettings":
        if isinstance(self.vault, AwsVaultSettings) and self.vault.lock_days is not None:
            needed = self.retention_days + FULL_BACKUP_DAYS
            if self.vault.lock_days < needed:
                raise ValueError(
                    f"vault.lock_days ({self.vault.lock_days}) is less than retention_days "
                    f"({self.retention_days}) + {FULL_BACKUP_DAYS}: the oldest time one can "
                    "restore to rests on a full backup made up to a week before it"
                )
        return self

    @model_validator(mode="after")
    def second_region_is_named(self) -> "BackupSettings":
        missing = None
        if isinstance(self.vault, AwsVaultSettings) and not self.vault.copy_region:
            missing = "copy_region"
        if isinstance(self.vault, S3VaultSettings) and not self.vault.copy_place:
            missing = "copy_place"
        if self.second_region and missing:
            raise ValueError(
                f"vault.{missing} is required and was not given (or set second_region to false)"
            )
        return self

    @property
    def lock_days(self) -> int:
        """How long nobody can delete an object of the vault, days.

        The oldest time one can restore to rests on a full backup made up to a week before it.
        """
        chosen = self.vault.lock_days if isinstance(self.vault, AwsVaultSettings) else None
        return chosen or self.retention_days + FULL_BACKUP_DAYS

    @property
    def archive_timeout_seconds(self) -> int:
        """When PostgreSQL hands over a WAL segment that is not full, s."""
        return self.recovery_point_seconds - TRANSFER_SECONDS


class RecoverySettings(Settings):
    """A stack that begins with what its vault holds, instead of empty.

    It is read when there is no data yet, and by nobody afterwards.
    """

    source: Literal["vault", "copy"] = Field(
        default="vault", description="The first region's vault, or the second region's copy."
    )
    to: str | None = Field(
        default=None,
        min_length=1,
        description="A time (ISO 8601), an LSN or the name of a restore point; "
        "left out: all there is.",
    )
    redis: bool = Field(
        default=True, description="Load into Redis what it lacks of the newest snapshot."
    )
    redis_before: str | None = Field(
        default=None,
        min_length=1,
        description="Snapshots of Redis that were taken after this time (ISO 8601) are passed "
        "over: they are of the Redis that is to be filled.",
    )
