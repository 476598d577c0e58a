"""Buckets keep the versions of what is overwritten or deleted."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import sidecar_control
from policies.resources import Resource, Stack

STATUS = "versioningConfiguration.status"


def judge(
    versioning: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Suspended is not enabled; a bucket without the resource is what AWS makes: unversioned."""
    if versioning.get(STATUS) != "Enabled":
        yield STATUS, "is not Enabled"


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketVersioning",
    judge=judge,
    title="Buckets keep versions",
    why="without them, one overwrite or delete is the end of what was there",
    mend="Give the bucket a BucketVersioning with status Enabled.",
    references=("PCI DSS 4.0.1 10.3.2", "GDPR Art. 32(1)(c)", "FCA SYSC 9.1.1"),
    severity=Severity.CRITICAL,
)
