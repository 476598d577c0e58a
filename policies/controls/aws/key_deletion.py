"""A key's deletion takes long enough to be noticed."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.resources import Resource

# Of KMS, where the program says nothing.
DEFAULT_DAYS = 30


def check(key: Resource, settings: Settings) -> Findings:
    """KMS allows 7 to 30."""
    if (key.get("deletionWindowInDays") or DEFAULT_DAYS) < settings["minimum_days"]:
        yield Finding("deletionWindowInDays", f"is less than {settings['minimum_days']}")


CONTROL = ResourceControl(
    module=__name__,
    title="The deletion of a key can be undone for long",
    why="with its key all it encrypted is lost, and who deletes it by mistake has to notice",
    mend="Leave deletionWindowInDays out, which makes it 30, or set it to that.",
    references=("PCI DSS 4.0.1 3.7.5", "GDPR Art. 32(1)(c)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=(
        "aws:kms/key:Key",
        "aws:kms/replicaKey:ReplicaKey",
        "aws:kms/externalKey:ExternalKey",
    ),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer", PerEnvironment(7, 7, 30), "The shortest window, days.", minimum=7
        )
    },
    check=check,
)
