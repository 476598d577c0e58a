"""Who touched what in the vault: access logs and CloudTrail's data events, for twelve months.

S3 writes no access logs into a bucket with an object lock (https://docs.aws.amazon.com/AmazonS3/
latest/userguide/object-lock-managing.html). So it writes them into one without, and they are
replicated from there, with CloudTrail's files, into one that is locked.

Who reads or deletes evidence is evidence too. Writing it is not: each file would make the next one.
So the locked bucket has no access logs, and the trail leaves out what is written there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.bucket import GuardedBucket, GuardedBucketArgs, Lifecycle, Lock
from components.aws.key import make_key
from components.aws.names import Names, bucket_arn
from components.aws.policies import (
    governed_key,
    nothing_ends,
    takes_access_logs,
    takes_trail,
    used_by_trail,
    used_through_s3,
)
from components.aws.region import Region
from components.aws.replication import WITH_TARGET_KEY, End, replicate
from settings.vault import AwsVaultSettings

# At hand, unlocked, where they were written; PCI DSS 10.5.1 asks for three months.
AT_HAND_DAYS = 92


def log_bucket(
    name: str,
    bucket: str,
    of: str,
    settings: AwsVaultSettings,
    region: Region,
    parent: pulumi.Resource,
) -> GuardedBucket:
    """Where S3 writes the access logs of a region's bucket, `of`.

    With the key of S3 itself: S3 writes access logs with no other.
    """
    return GuardedBucket(
        name,
        GuardedBucketArgs(
            bucket=bucket,
            region=region,
            statements=[
                takes_access_logs(bucket, of, settings.account_id),
                *nothing_ends(bucket, settings.administrators),
            ],
            lifecycle=Lifecycle(noncurrent_days=AT_HAND_DAYS, expiration_days=AT_HAND_DAYS),
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )


class Audit(pulumi.ComponentResource):
    """The locked bucket, with a key of its own; the trail; and what brings access logs there.

    ready: what must be there before anything that is to be watched.
    """

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        bucket: str,
        watched: Sequence[str],
        logs: Mapping[str, tuple[GuardedBucket, Region]],
        settings: AwsVaultSettings,
        names: Names,
        region: Region,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """watched: names of the buckets with backups. logs: {what a log bucket's replication is
        called: it and its region}; the entry `logs` takes this bucket's own as well.
        """
        super().__init__("selfmonitor:aws:Audit", name, None, opts)
        replicating = list(logs)
        key = make_key(
            f"{name}-key",
            f"selfmonitor-{names.stack}-audit",
            f"What happened to the backups of stack {names.stack}",
            [
                *governed_key(names, settings.administrators),
                *used_by_trail(names, region.name),
                *used_through_s3(
                    names, region.name, bucket, dict.fromkeys(WITH_TARGET_KEY, replicating)
                ),
            ],
            settings.kms_deletion_window_days,
            region,
            self,
        )
        kept = GuardedBucket(
            f"{name}-bucket",
            GuardedBucketArgs(
                bucket=bucket,
                region=region,
                statements=[
                    *takes_trail(bucket, names, region.name),
                    *nothing_ends(bucket, settings.administrators),
                ],
                lifecycle=Lifecycle(noncurrent_days=1, expiration_days=settings.log_retention_days),
                key=key,
                lock=Lock(settings.lock_mode, settings.log_retention_days),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for role, (source, where) in logs.items():
            replicate(
                f"{name}-{role}", role, End(source, where), End(kept, region, key), names, self
            )
        trail = aws.cloudtrail.Trail(
            f"{name}-trail",
            name=names.trail,
            s3_bucket_name=kept.id,
            kms_key_id=key.arn,
            # The second region's events too, and what IAM and STS say, which is in no region.
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            advanced_event_selectors=[
                _objects("every object of the vault", watched),
                _objects("evidence, but for its writing", [bucket], {"not_equals": ["PutObject"]}),
                {
                    "name": "changes of keys, buckets and roles",
                    "field_selectors": [
                        {"field": "eventCategory", "equals": ["Management"]},
                        {"field": "readOnly", "equals": ["false"]},
                    ],
                },
            ],
            region=region.name,
            tags=region.tags,
            opts=region.guarded(self, kept.ready),
        )
        self.ready = (trail,)
        self.register_outputs({})


def _objects(
    name: str, buckets: Sequence[str], event: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """What happens to the objects of these buckets. event: which, by name; None: all."""
    fields: list[dict[str, Any]] = [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
        {
            "field": "resources.ARN",
            "starts_withs": [f"{bucket_arn(each)}/" for each in buckets],
        },
    ]
    if event is not None:
        fields.append({"field": "eventName", **event})
    return {"name": name, "field_selectors": fields}
