"""A bucket with all that makes it safe: versions, lock, encryption, lifecycle, policy, access logs.

Each of these is a resource of its own, since aws 7; none is left to a default of the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.policies import Statement, document, tls_only
from components.aws.region import Region

# An upload that was interrupted for so long does not go on any more, days.
ABANDONED_DAYS = 7


@dataclass(frozen=True)
class Lock:
    """mode: COMPLIANCE or GOVERNANCE. days: from each version's writing."""

    mode: str
    days: int


@dataclass(frozen=True)
class Lifecycle:
    """expiration_days: after which what is current is deleted, with a marker; None: never, since
    whoever writes deletes. noncurrent_days: how long what was deleted or overwritten is kept. No
    rule removes a version before its lock is over, whatever it says.
    """

    noncurrent_days: int
    expiration_days: int | None = None


@dataclass(frozen=True)
class GuardedBucketArgs:
    """bucket: its name. key: None for the key of S3 itself. lock: None for none. logs: the bucket
    its access logs go to; None for none. statements: of its policy, besides TLS alone.
    """

    bucket: str
    region: Region
    statements: pulumi.Input[Sequence[Statement]]
    lifecycle: Lifecycle
    key: aws.kms.Key | None = None
    lock: Lock | None = None
    logs: "GuardedBucket | None" = None


class GuardedBucket(pulumi.ComponentResource):
    """name: the bucket's. ready: all that has to be there before anything is stored in it."""

    name: str
    id: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, args: GuardedBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:aws:GuardedBucket", name, None, opts)
        self.name = args.bucket
        self._name = name
        self._args = args
        self._region = args.region
        self._bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket,
            object_lock_enabled=args.lock is not None,
            force_destroy=False,
            region=self._region.name,
            tags=self._region.tags,
            opts=self._region.guarded(self),
        )
        self.id = self._bucket.id
        versioning = self._versioning()
        closed = self._closed()
        self.ready = (
            versioning,
            *closed,
            self._encryption(),
            *self._lock(versioning),
            self._policy(closed),
        )
        self._lifecycle(versioning)
        self._access_logs()
        self.register_outputs({"bucket": self.id})

    def _versioning(self) -> pulumi.Resource:
        made: pulumi.Resource = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self.id,
            versioning_configuration={"status": "Enabled"},
            region=self._region.name,
            opts=self._region.guarded(self),
        )
        return made

    def _lock(self, versioning: pulumi.Resource) -> tuple[pulumi.Resource, ...]:
        lock = self._args.lock
        if lock is None:
            return ()
        configuration = aws.s3.BucketObjectLockConfiguration(
            f"{self._name}-lock",
            bucket=self.id,
            object_lock_enabled="Enabled",
            rule={"default_retention": {"mode": lock.mode, "days": lock.days}},
            region=self._region.name,
            opts=self._region.guarded(self, (versioning,)),
        )
        return (configuration,)

    def _encryption(self) -> pulumi.Resource:
        key = self._args.key
        default = (
            {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn}
            if key
            else {"sse_algorithm": "AES256"}
        )
        made: pulumi.Resource = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": default,
                    # One request to KMS for many objects, and its price with it.
                    "bucket_key_enabled": key is not None,
                    "blocked_encryption_types": ["SSE-C"],
                }
            ],
            region=self._region.name,
            opts=self._region.guarded(self),
        )
        return made

    def _closed(self) -> tuple[pulumi.Resource, ...]:
        """To the public, and to access lists."""
        return (
            aws.s3.BucketPublicAccessBlock(
                f"{self._name}-public-access",
                bucket=self.id,
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
                region=self._region.name,
                opts=self._region.guarded(self),
            ),
            aws.s3.BucketOwnershipControls(
                f"{self._name}-ownership",
                bucket=self.id,
                rule={"object_ownership": "BucketOwnerEnforced"},
                region=self._region.name,
                opts=self._region.guarded(self),
            ),
        )

    def _policy(self, closed: tuple[pulumi.Resource, ...]) -> pulumi.Resource:
        own = tls_only(self.name)
        text = pulumi.Output.from_input(self._args.statements).apply(
            lambda more: document([*own, *more])
        )
        made: pulumi.Resource = aws.s3.BucketPolicy(
            f"{self._name}-policy",
            bucket=self.id,
            policy=text,
            region=self._region.name,
            # S3 refuses two of these changes at once ("a conflicting conditional operation").
            opts=self._region.guarded(self, closed),
        )
        return made

    def _lifecycle(self, versioning: pulumi.Resource) -> None:
        days = self._args.lifecycle
        rules: list[dict[str, Any]] = [
            {
                "id": "noncurrent-versions",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "noncurrent_version_expiration": {"noncurrent_days": days.noncurrent_days},
            },
            {
                "id": "abandoned-uploads",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "abort_incomplete_multipart_upload": {"days_after_initiation": ABANDONED_DAYS},
            },
            {
                "id": "markers-of-nothing",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "expiration": {"expired_object_delete_marker": True},
            },
        ]
        if days.expiration_days is not None:
            # S3 wants days and markers in rules of their own.
            rules.append(
                {
                    "id": "expiration",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "expiration": {"days": days.expiration_days},
                }
            )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self.id,
            rules=rules,
            region=self._region.name,
            opts=self._region.guarded(self, (versioning,)),
        )

    def _access_logs(self) -> None:
        logs = self._args.logs
        if logs is None:
            return
        aws.s3.BucketLogging(
            f"{self._name}-access-logs",
            bucket=self.id,
            target_bucket=logs.id,
            target_prefix=f"{self.name}/",
            region=self._region.name,
            opts=self._region.guarded(self, logs.ready),
        )
