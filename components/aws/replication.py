"""What one bucket gets, another one has a moment later: versions and their locks, no deletion."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.bucket import GuardedBucket
from components.aws.names import Names, bucket_arn
from components.aws.policies import Statement, document, may_replicate, may_use_key, trust_s3
from components.aws.region import Region

# The only threshold S3 has: it promises that 99.99 % of objects take no longer, and says when one
# does (https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html).
MINUTES = 15

# What S3 does with the two keys, as it replicates
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html).
WITH_SOURCE_KEY = ("kms:Decrypt",)
WITH_TARGET_KEY = ("kms:Encrypt", "kms:GenerateDataKey")


@dataclass(frozen=True)
class End:
    """A bucket, where it is, and the key it encrypts with; None for the key of S3 itself."""

    bucket: GuardedBucket
    region: Region
    key: aws.kms.Key | None = None


def replicate(
    name: str, role_name: str, source: End, target: End, names: Names, parent: pulumi.Resource
) -> tuple[pulumi.Resource, ...]:
    """With time control and metrics. role_name: one of `Names`. Returns what was made."""
    role = aws.iam.Role(
        f"{name}-role",
        name=names.role(role_name),
        description=f"S3 replicates {source.bucket.name} to {target.bucket.name}",
        assume_role_policy=trust_s3(names, source.bucket.name),
        max_session_duration=3600,
        tags=source.region.tags,
        opts=source.region.options(parent),
    )
    rights = aws.iam.RolePolicy(
        f"{name}-objects",
        name="objects",
        role=role.name,
        policy=document(may_replicate(source.bucket.name, target.bucket.name)),
        opts=source.region.options(parent),
    )
    after = [rights, *source.bucket.ready, *target.bucket.ready]
    used = {
        "source": (source, WITH_SOURCE_KEY),
        "target": (target, WITH_TARGET_KEY),
    }
    for which, (end, actions) in used.items():
        if end.key is not None:
            after.append(_may_use(f"{name}-{which}-key", which, role, end, actions, parent))
    configuration = aws.s3.BucketReplicationConfig(
        name,
        bucket=source.bucket.id,
        role=role.arn,
        rules=[_rule(source, target)],
        region=source.region.name,
        opts=source.region.guarded(parent, after),
    )
    return (configuration,)


def _may_use(
    name: str,
    which: str,
    role: aws.iam.Role,
    end: End,
    actions: tuple[str, ...],
    parent: pulumi.Resource,
) -> pulumi.Resource:
    assert end.key is not None

    def text(arn: str) -> str:
        statement: Statement = may_use_key(arn, end.region.name, actions)
        return document([statement])

    made: pulumi.Resource = aws.iam.RolePolicy(
        name,
        name=f"{which}-key",
        role=role.name,
        policy=end.key.arn.apply(text),
        opts=end.region.options(parent),
    )
    return made


def _rule(source: End, target: End) -> dict[str, Any]:
    destination: dict[str, Any] = {
        "bucket": bucket_arn(target.bucket.name),
        "storage_class": "STANDARD",
        "replication_time": {"status": "Enabled", "time": {"minutes": MINUTES}},
        "metrics": {"status": "Enabled", "event_threshold": {"minutes": MINUTES}},
    }
    rule: dict[str, Any] = {
        "id": "everything",
        "priority": 1,
        "status": "Enabled",
        "filter": {"prefix": ""},
        # What is deleted here, by whomever, stays there.
        "delete_marker_replication": {"status": "Disabled"},
        "destination": destination,
    }
    if source.key is not None and target.key is not None:
        destination["encryption_configuration"] = {"replica_kms_key_id": target.key.arn}
        rule["source_selection_criteria"] = {"sse_kms_encrypted_objects": {"status": "Enabled"}}
    return rule
