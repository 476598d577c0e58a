"""What one region keeps, another one keeps too."""

from collections.abc import Iterator

from policies.contract import Level, Settings, Severity
from policies.environment import PerEnvironment
from policies.reading.aws import (
    LOG_SIGNS,
    REPLICATION,
    TRAILS,
    enabled_rules,
    is_whole,
    sidecar_control,
    takes_access_logs,
    takes_trail,
    target_of,
)
from policies.reading.aws_values import region_of
from policies.resources import Resource, Stack
from policies.values import UnknownUsedError


def judge(
    replication: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """A bucket outside of the program is taken to be elsewhere: its ARN does not say where."""
    rules = [(path, rule) for path, rule in enabled_rules(replication) if is_whole(rule)]
    if not rules:
        yield "rules", "copy a part alone"
    here = _region(bucket)
    targets = [(path, target_of(replication, path, rule, stack)) for path, rule in rules]
    near = [path for path, target in targets if target and _region(target) == here]
    if len(near) == len(targets):
        for path in near:
            yield f"{path}.destination.bucket", "is in the same region"


def _region(bucket: Resource) -> str:
    region = region_of(bucket)
    if not isinstance(region, str):
        raise UnknownUsedError(f"region of {bucket.name}")
    return region


def is_replica(bucket: Resource, stack: Stack) -> bool:
    """Another bucket is copied to it."""
    return any(
        target_of(each, path, rule, stack) is bucket
        for each in stack.of(REPLICATION)
        for path, rule in enabled_rules(each)
    )


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketReplicationConfig",
    judge=judge,
    but=(takes_access_logs, takes_trail, is_replica),
    also=(*LOG_SIGNS, *TRAILS),
    title="Buckets are copied to another region",
    why="with its region, a bucket and all backups in it are away",
    mend="Give the bucket a BucketReplicationConfig with an enabled rule for all objects, to a "
    "bucket in another allowed region.",
    references=(
        *("PCI DSS 4.0.1 9.4.1.1", "PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)"),
        *("FCA SYSC 4.1.7", "FCA SYSC 15A.2.9"),
    ),
    severity=Severity.HIGH,
    enforcement=PerEnvironment(Level.ADVISORY, Level.ADVISORY, Level.MANDATORY),
)
