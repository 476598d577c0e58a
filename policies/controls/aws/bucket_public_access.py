"""Buckets are closed to the public, whatever a policy or an access list says later."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import sidecar_control
from policies.resources import Resource, Stack

FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def judge(
    block: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Each is false where nothing is said."""
    for flag in FLAGS:
        if not block.get(flag):
            yield flag, "is not true"


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketPublicAccessBlock",
    judge=judge,
    title="Buckets are closed to the public",
    why="one mistaken policy or access list later, everybody reads what is in them",
    mend=f"Give the bucket a BucketPublicAccessBlock with {', '.join(FLAGS)}: true.",
    references=("PCI DSS 4.0.1 1.4.4", "PCI DSS 4.0.1 7.3.3", "GDPR Art. 25(2)", "FCA SYSC 8.1.8"),
    severity=Severity.CRITICAL,
)
