"""Buckets keep the versions of what is overwritten or deleted."""

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.reading.aws import BUCKETS, sidecar_types, sidecars
from policies.resources import Resource, Stack

VERSIONING = sidecar_types("BucketVersioning")
STATUS = "versioningConfiguration.status"


def check(bucket: Resource, stack: Stack, settings: Settings) -> Findings:
    """Suspended is not enabled; a bucket without the resource is what AWS makes: unversioned."""
    found, unseen = sidecars(bucket, stack, VERSIONING)
    yield from unseen
    if not found and not unseen:
        yield Finding("BucketVersioning", "is missing", bucket)
    for each in found:
        if each.get(STATUS) != "Enabled":
            yield Finding(f"{STATUS} of {each.name}", "is not Enabled", bucket)


CONTROL = StackControl(
    module=__name__,
    title="Buckets keep versions",
    why="without them, one overwrite or delete is the end of what was there",
    mend="Give the bucket a BucketVersioning with status Enabled.",
    references=("PCI DSS 4.0.1 10.3.2", "GDPR Art. 32(1)(c)", "FCA SYSC 9.1.1"),
    severity=Severity.CRITICAL,
    types=(*BUCKETS, *VERSIONING),
    subjects=BUCKETS,
    # What is stored before versions are kept has none.
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
