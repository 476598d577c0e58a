"""What a trail writes is encrypted with a key one governs."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import TRAILS
from policies.reading.aws_values import AWS_MANAGED
from policies.resources import Resource


def check(trail: Resource, settings: Settings) -> Findings:
    """Without one, CloudTrail has S3 encrypt with its own."""
    key = trail.get("kmsKeyId")
    if not key:
        yield Finding("kmsKeyId", "is missing")
    elif AWS_MANAGED in key:
        yield Finding("kmsKeyId", "is AWS' own key")


CONTROL = ResourceControl(
    module=__name__,
    title="Trails are encrypted with keys one governs",
    why="who may read the bucket then reads who did what, and when, as well",
    mend="Set kmsKeyId to the ARN of a key of your own, whose policy lets CloudTrail use it.",
    references=("PCI DSS 4.0.1 10.3.1", "PCI DSS 4.0.1 3.6.1", "GDPR Art. 32(1)(a)"),
    severity=Severity.MEDIUM,
    types=TRAILS,
    when_unknown=WhenUnknown.DEFER,
    check=check,
)
