"""Databases are backed up, and backups are kept."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.aws_values import every
from policies.resources import Resource

# {type: (where its days are, what AWS makes of none)}
DAYS: Mapping[str, tuple[str, int]] = {
    "aws:rds/instance:Instance": ("backupRetentionPeriod", 0),
    "aws:rds/cluster:Cluster": ("backupRetentionPeriod", 1),
    "aws:docdb/cluster:Cluster": ("backupRetentionPeriod", 1),
    "aws:neptune/cluster:Cluster": ("backupRetentionPeriod", 1),
    "aws:redshift/cluster:Cluster": ("automatedSnapshotRetentionPeriod", 1),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("snapshotRetentionLimit", 0),
    "aws:memorydb/cluster:Cluster": ("snapshotRetentionLimit", 0),
}
PLAN = "aws:backup/plan:Plan"
TABLE = "aws:dynamodb/table:Table"
RECOVERY = "pointInTimeRecovery.enabled"
# A copy of another database is backed up there.
COPY_OF = ("replicateSourceDb", "replicationSourceIdentifier", "globalReplicationGroupId")


def check(resource: Resource, settings: Settings) -> Findings:
    """A plan without deleteAfter keeps for ever."""
    shortest = settings["minimum_days"]
    if resource.type == TABLE:
        if not resource.get(RECOVERY):
            yield Finding(RECOVERY, "is not true")
        return
    if resource.type == PLAN:
        for path, days in every(resource, "rules[].lifecycle.deleteAfter"):
            if days and days < shortest:
                yield Finding(path, f"is less than {shortest}")
        return
    if any(resource.get(each) for each in COPY_OF):
        return
    where, default = DAYS[resource.type]
    days = resource.get(where)
    if (default if days is None else days) < shortest:
        yield Finding(where, f"is less than {shortest}")


CONTROL = ResourceControl(
    module=__name__,
    title="Databases are backed up, and for long enough",
    why="a mistake that is noticed after the last backup from before it cannot be undone",
    mend="Set the days to the time one must be able to go back, or enable point-in-time recovery.",
    references=("PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=(*DAYS, PLAN, TABLE),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer", PerEnvironment(1, 7, 30), "The shortest time, days.", minimum=1
        )
    },
    check=check,
)
