"""What is copied to another region is encrypted there with a key of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.reading.aws import (
    BUCKET_NAMES,
    BUCKETS,
    ENCRYPTION,
    KEYS,
    REPLICATION,
    enabled_rules,
    keys_of,
    sidecars,
)
from policies.reading.aws_values import AWS_MANAGED, every
from policies.resources import Resource, Stack
from policies.values import Unknown, UnknownUsedError

DEFAULT_KEY = "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId"
SELECTED = "sourceSelectionCriteria.sseKmsEncryptedObjects.status"
REPLICA_KEY = "destination.encryptionConfiguration.replicaKmsKeyId"


def check(replication: Resource, stack: Stack, settings: Settings) -> Findings:
    """S3 passes over what KMS encrypted, unless it is told to take it, and with which key."""
    encryption = _encryption_of_source(replication, stack)
    if encryption is None:
        return
    for path, rule in enabled_rules(replication):
        if _part(rule, SELECTED) != "Enabled":
            yield Finding(f"{path}.{SELECTED}", "is not Enabled", replication)
        for what in _wrong(_part(rule, REPLICA_KEY), replication, encryption, stack):
            yield Finding(f"{path}.{REPLICA_KEY}", what, replication)


def _encryption_of_source(replication: Resource, stack: Stack) -> Resource | None:
    """By KMS, of the bucket that is copied; None: by others, or outside of the program."""
    for bucket in stack.of(BUCKETS):
        joined = stack.referring(bucket, REPLICATION, "bucket", BUCKET_NAMES)
        if replication in joined.found:
            found, _ = sidecars(bucket, stack, ENCRYPTION)
            return next((each for each in found if _by_kms(each)), None)
        if replication in joined.possible:
            raise UnknownUsedError("bucket")
    return None


def _by_kms(encryption: Resource) -> bool:
    pattern = "rules[].applyServerSideEncryptionByDefault.sseAlgorithm"
    return any((value or "").startswith("aws:kms") for _, value in every(encryption, pattern))


def _part(rule: Mapping[str, Any], path: str) -> Any:
    value: Any = rule
    for key in path.split("."):
        value = (value or {}).get(key)
    return value


def _wrong(key: Any, replication: Resource, encryption: Resource, stack: Stack) -> Iterator[str]:
    """What is wrong with the replica's key."""
    if isinstance(key, Unknown):
        own = keys_of(replication, "rules", stack)
        if not own:
            raise UnknownUsedError(key.path)
        if own == keys_of(encryption, "rules", stack):
            yield "is the key of what is copied"
    elif not key:
        yield "is missing"
    elif AWS_MANAGED in key:
        yield "is AWS' own key"
    elif any(isinstance(each, str) and each == key for _, each in every(encryption, DEFAULT_KEY)):
        yield "is the key of what is copied"


CONTROL = StackControl(
    module=__name__,
    title="Copies have keys of their own",
    why="what one key encrypts in both regions is lost in both with it, or not copied at all",
    mend="Set sourceSelectionCriteria.sseKmsEncryptedObjects.status: Enabled, and a "
    "replicaKmsKeyId of a key in the other region.",
    references=("PCI DSS 4.0.1 3.6.1", "PCI DSS 4.0.1 9.4.1.1", "GDPR Art. 32(1)(c)"),
    severity=Severity.HIGH,
    types=(*BUCKETS, *REPLICATION, *ENCRYPTION, *KEYS),
    subjects=REPLICATION,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
