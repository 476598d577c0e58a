"""Who may do what in a bucket is said by policies alone: access lists are off."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import sidecar_control
from policies.resources import Resource, Stack

OWNERSHIP = "rule.objectOwnership"


def judge(
    controls: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Everything else leaves access lists in force."""
    if controls.get(OWNERSHIP) != "BucketOwnerEnforced":
        yield OWNERSHIP, "is not BucketOwnerEnforced"


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketOwnershipControls",
    judge=judge,
    title="Buckets know no access lists",
    why="whoever stores an object could hand it to others, past every policy",
    mend="Give the bucket a BucketOwnershipControls with objectOwnership BucketOwnerEnforced.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.3.3", "GDPR Art. 25(2)"),
    severity=Severity.MEDIUM,
)
