"""Access logs are copied to a bucket where they cannot be changed."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import (
    LOG_SIGNS,
    enabled_rules,
    is_whole,
    sidecar_control,
    takes_access_logs,
)
from policies.resources import Resource, Stack


def judge(
    replication: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """That the other bucket is locked, another control sees to."""
    if not any(is_whole(rule) for _, rule in enabled_rules(replication)):
        yield "rules", "copy a part alone"


def keeps_no_logs(bucket: Resource, stack: Stack) -> bool:
    """Of other buckets this control has nothing to ask."""
    return not takes_access_logs(bucket, stack)


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketReplicationConfig",
    judge=judge,
    but=(keeps_no_logs,),
    also=LOG_SIGNS,
    title="Access logs are copied to where they cannot be changed",
    why="S3 writes them into no locked bucket, and an intruder deletes his traces",
    mend="Give the bucket with the logs a BucketReplicationConfig for all of it, to a locked one.",
    references=("PCI DSS 4.0.1 10.3.2", "PCI DSS 4.0.1 10.3.3", "GDPR Art. 33", "FCA SYSC 9.1.1"),
    severity=Severity.MEDIUM,
)
