"""Each bucket has a policy, in which it says what nobody may do."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import sidecar_control
from policies.resources import Resource, Stack


def judge(
    policy: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """What it says is for others to judge, as soon as it is known."""
    yield from ()


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketPolicy",
    judge=judge,
    title="Buckets have a policy",
    why="without one, plain HTTP is served, and rights are up to whatever IAM says",
    mend="Give the bucket a BucketPolicy that refuses what is not meant.",
    references=("PCI DSS 4.0.1 7.3.3", "GDPR Art. 25(2)"),
    severity=Severity.HIGH,
)
