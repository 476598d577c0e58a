"""Spec of aws-database-private."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, fails, passes, resource, unseen

RDS = "aws:rds/instance:Instance"
AT = ("db", "publiclyAccessible")

SPEC = Spec(
    passes={
        "not": passes(resource(RDS, "db", {"publiclyAccessible": False})),
        "nothing is said": passes(resource(RDS, "db", {})),
    },
    fails={
        "a database": fails(resource(RDS, "db", {"publiclyAccessible": True}), at=AT),
        "a warehouse": fails(
            resource("aws:redshift/cluster:Cluster", "db", {"publiclyAccessible": True}), at=AT
        ),
    },
    unknown={"whether": unseen(resource(RDS, "db", {"publiclyAccessible": UNKNOWN}), at=AT)},
    not_applicable={"a web server": passes(resource("aws:lb/loadBalancer:LoadBalancer", "db", {}))},
    mutations={
        "a database": declares(
            """
            aws.rds.Instance(
                "ledger",
                instance_class="db.m7g.large",
                backup_retention_period=35,
                storage_encrypted=True,
                kms_key_id=f"arn:aws:kms:{first.name}:{settings.account_id}:key/0a1b2c3d",
                publicly_accessible=True,
                region=first.name,
                tags=first.tags,
                opts=first.guarded(self),
            )
            """
        )
    },
)
