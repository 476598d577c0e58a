"""What holds data is protected from deletion by the program."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import BUCKETS
from policies.resources import Resource

# What is gone for good once it is deleted. Volumes of Docker and claims of Kubernetes are not among
# them: the policy protocol does not tell of retain_on_delete, by which claims are kept.
STATEFUL = (
    *BUCKETS,
    "aws:kms/key:Key",
    "aws:rds/*:*",
    "aws:dynamodb/table:Table",
    "aws:ebs/volume:Volume",
    "aws:efs/fileSystem:FileSystem",
)


def check(resource: Resource, settings: Settings) -> Findings:
    """An option of the resource, which is always known."""
    if not resource.protect:
        yield Finding("option protect", "is not set")


CONTROL = ResourceControl(
    module=__name__,
    title="What holds data is protected",
    why="a renamed resource or a destroy at the wrong stack deletes it, with all that is in it",
    mend="Register it with ResourceOptions(protect=True, retain_on_delete=True).",
    references=("PCI DSS 4.0.1 6.5.1", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.7"),
    severity=Severity.CRITICAL,
    types=STATEFUL,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
