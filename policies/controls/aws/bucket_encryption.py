"""What is stored in a bucket is encrypted with a key one governs."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Settings, Severity
from policies.parameters import Parameter
from policies.reading.aws import KEYS, LOG_SIGNS, keys_of, sidecar_control, takes_access_logs
from policies.reading.aws_values import AWS_MANAGED, every
from policies.resources import Resource, Stack
from policies.values import Unknown, UnknownUsedError

KMS = "aws:kms"
TWICE = "aws:kms:dsse"


def judge(
    encryption: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """A key from elsewhere is taken for one's own, unless its alias says that it is AWS'."""
    rules = list(every(encryption, "rules[]"))
    if not rules:
        yield "rules", "is missing"
    for path, rule in rules:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        algorithm = default.get("sseAlgorithm")
        where = f"{path}.applyServerSideEncryptionByDefault"
        if algorithm not in settings["algorithms"]:
            yield f"{where}.sseAlgorithm", "is not one of setting algorithms"
            continue
        if algorithm in (KMS, TWICE):
            yield from _key(encryption, default, where, stack)
        # Encryption in two layers has no bucket keys.
        if algorithm == KMS and not rule.get("bucketKeyEnabled"):
            yield f"{path}.bucketKeyEnabled", "is not true"


def _key(
    encryption: Resource, default: Mapping[str, Any], where: str, stack: Stack
) -> Iterator[tuple[str, str]]:
    key = default.get("kmsMasterKeyId")
    if isinstance(key, Unknown):
        if not keys_of(encryption, "rules", stack):
            raise UnknownUsedError(key.path)
    elif not key:
        yield f"{where}.kmsMasterKeyId", "is missing: then the key is AWS' own"
    elif AWS_MANAGED in key:
        yield f"{where}.kmsMasterKeyId", "is AWS' own key"


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketServerSideEncryptionConfiguration",
    judge=judge,
    but=(takes_access_logs,),
    also=(*LOG_SIGNS, *KEYS),
    title="Buckets are encrypted with keys one governs",
    why="whoever may read a bucket reads all of it, and no key can be taken away",
    mend="Give the bucket a default of sseAlgorithm aws:kms, with a kmsMasterKeyId of your own and "
    "bucketKeyEnabled, which spares KMS a request an object.",
    references=(
        *("PCI DSS 4.0.1 3.5.1", "PCI DSS 4.0.1 3.6.1", "PCI DSS 4.0.1 9.4.1.1"),
        *("GDPR Art. 32(1)(a)", "FCA SYSC 8.1.8"),
    ),
    severity=Severity.HIGH,
    parameters={
        "algorithms": Parameter(
            "strings",
            (KMS, TWICE),
            "Encryption by default that is enough; keys of one's own are asked for with KMS alone.",
            choices=("AES256", KMS, TWICE),
        )
    },
)
