"""Buckets and what is configured about them by resources of their own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, Settings, StackControl, Unseen, WhenUnknown
from policies.reading.aws_policies import (
    OF_BUCKETS,
    NoPolicyError,
    allows,
    principals,
    statements,
)
from policies.reading.aws_values import every
from policies.resources import Resource, Stack
from policies.values import Unknown, UnknownUsedError

# Each of these had another name in version 6 of the provider.
BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
# By which one may refer to a bucket.
BUCKET_NAMES = ("bucket",)
TRAILS = ("aws:cloudtrail/trail:Trail",)
# Whose keys one governs oneself.
KEYS = (
    "aws:kms/key:Key",
    "aws:kms/alias:Alias",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:kms/externalKey:ExternalKey",
)
# What a lock does with whatever nobody locked by hand.
RETENTION = "rule.defaultRetention"
DAYS_OF_A_YEAR = 365
# S3 itself, as it writes access logs.
LOG_WRITER = "logging.s3.amazonaws.com"

# (configuration, its bucket, stack) → (what of the configuration, what is wrong with it)
Judge = Callable[[Resource, Resource, Stack, Settings], Iterator[tuple[str, str]]]


def sidecar_types(name: str) -> tuple[str, ...]:
    """Types of a bucket's configuration: `BucketVersioning` → both of its names."""
    module = name[0].lower() + name[1:]
    return (f"aws:s3/{module}:{name}", f"aws:s3/{module}V2:{name}V2")


ENCRYPTION = sidecar_types("BucketServerSideEncryptionConfiguration")
LIFECYCLE = sidecar_types("BucketLifecycleConfiguration")
LOCK = sidecar_types("BucketObjectLockConfiguration")
LOGGING = sidecar_types("BucketLogging")
REPLICATION = sidecar_types("BucketReplicationConfig")
# What `takes_access_logs` looks at.
LOG_SIGNS = (*LOGGING, *OF_BUCKETS)


def sidecars(
    bucket: Resource, stack: Stack, types: tuple[str, ...]
) -> tuple[tuple[Resource, ...], tuple[Unseen, ...]]:
    """A bucket's configurations of a type, and of which resources it cannot be told yet whether
    they are one; the latter only where there is none for certain.
    """
    joined = stack.referring(bucket, types, "bucket", BUCKET_NAMES)
    unseen = () if joined.found else joined.possible
    return joined.found, tuple(Unseen(f"bucket of {each.name}", bucket) for each in unseen)


def sidecar_control(
    module: str,
    *,
    sidecar: str,
    judge: Judge,
    but: tuple[Callable[[Resource, Stack], bool], ...] = (),
    also: tuple[str, ...] = (),
    **metadata: Any,
) -> StackControl:
    """A control that asks for a configuration of each bucket, and judges it. but: buckets it leaves
    out. also: further types that these and `judge` look at. metadata: as StackControl has it.

    What protects a bucket stands in the program: nothing is stored before it is known.
    """
    types = sidecar_types(sidecar)

    def check(bucket: Resource, stack: Stack, settings: Settings) -> Findings:
        if any(left_out(bucket, stack) for left_out in but):
            return
        found, unseen = sidecars(bucket, stack, types)
        yield from unseen
        if not found and not unseen:
            yield Finding(sidecar, "is missing", bucket)
        for each in found:
            try:
                for where, what in judge(each, bucket, stack, settings):
                    yield Finding(f"{where} of {each.name}", what, bucket)
            except UnknownUsedError as error:
                yield Unseen(f"{error.path} of {each.name}", bucket)

    return StackControl(
        module=module,
        types=tuple(dict.fromkeys((*BUCKETS, *types, *also))),
        subjects=BUCKETS,
        when_unknown=WhenUnknown.BLOCK,
        check=check,
        **metadata,
    )


# What a bucket is for.


def takes_access_logs(bucket: Resource, stack: Stack) -> bool:
    """S3 writes access logs of other buckets there: one of them says so, or the bucket's policy.

    Of such a bucket less can be asked: S3 writes into none with a key of KMS or with a lock.
    """
    joined = stack.referring(bucket, LOGGING, "targetBucket", BUCKET_NAMES)
    if joined.found or _lets_logs_in(bucket, stack):
        return True
    if joined.possible:
        raise UnknownUsedError(f"targetBucket of {joined.possible[0].name}")
    return False


def _lets_logs_in(bucket: Resource, stack: Stack) -> bool:
    """Whether its policy, as far as it is known, lets S3 write access logs."""
    for policy in stack.referring(bucket, OF_BUCKETS, "bucket", BUCKET_NAMES).found:
        text = policy.get("policy")
        if isinstance(text, str) and LOG_WRITER in text:
            try:
                found = [each for _, each in statements(text, "policy") if allows(each)]
            except NoPolicyError:
                continue
            if any(LOG_WRITER in principals(each, "Service") for each in found):
                return True
    return False


def takes_trail(bucket: Resource, stack: Stack) -> bool:
    """CloudTrail writes there what it has seen."""
    return bool(stack.referring(bucket, TRAILS, "s3BucketName", BUCKET_NAMES).found)


# Rules, of a lifecycle or of a replication.


def enabled_rules(configuration: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, rule) of those that are on."""
    for path, rule in every(configuration, "rules[]"):
        if rule.get("status") == "Enabled":
            yield path, rule


def is_whole(rule: Mapping[str, Any]) -> bool:
    """Whether it is about all objects, and not about some prefix, tag or size."""
    return not rule.get("prefix") and not any((rule.get("filter") or {}).values())


def target_of(
    configuration: Resource, path: str, rule: Mapping[str, Any], stack: Stack
) -> Resource | None:
    """The bucket to which a rule replicates; None: one outside of the program.

    Raises UnknownUsedError where it cannot be told.
    """
    arn = (rule.get("destination") or {}).get("bucket")
    buckets = stack.of(BUCKETS)
    recorded = configuration.references.get("rules", ())
    referred = [each for each in buckets if each.urn in recorded]
    if not isinstance(arn, Unknown):
        name = str(arn).rpartition(":")[2]
        named = [each for each in buckets if _is_named(each, name)]
        # A bucket that AWS names is known by reference alone.
        nameless = [each for each in referred if not isinstance(each.get("bucket"), str)]
        return next(iter((*named, *nameless)), None)
    if len(referred) != 1:
        raise UnknownUsedError(f"{path}.destination.bucket")
    return referred[0]


def _is_named(bucket: Resource, name: str) -> bool:
    own = bucket.get("bucket")
    return isinstance(own, str) and own == name


# Locks and keys.


def lock_days(lock: Resource) -> int | None:
    """How long each version is locked; None: not by default."""
    days: int | None = lock.get(f"{RETENTION}.days")
    if days:
        return days
    years: int | None = lock.get(f"{RETENTION}.years")
    return years * DAYS_OF_A_YEAR if years else None


def keys_of(resource: Resource, key: str, stack: Stack) -> frozenset[str]:
    """URNs of the keys of KMS from which the program took a property."""
    found = (stack.by_urn(urn) for urn in resource.references.get(key, ()))
    return frozenset(each.urn for each in found if each and each.type in KEYS)
