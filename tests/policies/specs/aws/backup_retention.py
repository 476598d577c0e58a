"""Spec of aws-backup-retention."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, configured, fails, passes, resource, unseen

RDS = "aws:rds/instance:Instance"
AT = ("db", "backupRetentionPeriod")


def database(**properties):
    return resource(RDS, "db", properties)


def plan(*rules):
    return resource("aws:backup/plan:Plan", "plan", {"rules": list(rules)})


def table(**properties):
    return resource("aws:dynamodb/table:Table", "t", properties)


SPEC = Spec(
    passes={
        "a month": passes(database(backupRetentionPeriod=35)),
        "a copy of another database": passes(database(replicateSourceDb="db-main")),
        "a plan that deletes nothing": passes(plan({"ruleName": "daily"})),
        "a plan for a month": passes(plan({"lifecycle": {"deleteAfter": 30}})),
        "a table": passes(table(pointInTimeRecovery={"enabled": True})),
    },
    fails={
        "a week": fails(database(backupRetentionPeriod=7), at=AT),
        "nothing is said": fails(database(), at=AT),
        "of a cluster nothing is said": fails(resource("aws:rds/cluster:Cluster", "db", {}), at=AT),
        "no snapshots of a cache": fails(
            resource("aws:elasticache/replicationGroup:ReplicationGroup", "cache", {}),
            at=("cache", "snapshotRetentionLimit"),
        ),
        "a plan for a week": fails(
            plan({}, {"lifecycle": {"deleteAfter": 7}}),
            at=("plan", "rules[1].lifecycle.deleteAfter"),
        ),
        "a table": fails(table(), at=("t", "pointInTimeRecovery.enabled")),
    },
    unknown={
        "how long": unseen(database(backupRetentionPeriod=UNKNOWN), at=AT),
        "a plan's": unseen(plan({"lifecycle": UNKNOWN}), at=("plan", "rules[0].lifecycle")),
    },
    overridden={
        "a week will do": configured(
            {"minimum_days": 7}, passes(database(backupRetentionPeriod=7))
        ),
        "in staging a week will do": configured(
            {}, passes(database(backupRetentionPeriod=7)), environment="staging"
        ),
    },
    not_applicable={"no database": passes(resource("aws:sqs/queue:Queue", "q", {}))},
    mutations={
        "a week": declares(
            """
            aws.rds.Instance(
                "ledger",
                instance_class="db.m7g.large",
                backup_retention_period=7,
                storage_encrypted=True,
                kms_key_id=f"arn:aws:kms:{first.name}:{settings.account_id}:key/0a1b2c3d",
                region=first.name,
                tags=first.tags,
                opts=first.guarded(self),
            )
            """
        )
    },
)
