"""Claims outlive the StatefulSet they are for."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import STATEFUL_SETS
from policies.resources import Resource

POLICY = "spec.persistentVolumeClaimRetentionPolicy"


def check(resource: Resource, settings: Settings) -> Findings:
    """Left out, they do."""
    for each in ("whenDeleted", "whenScaled"):
        if resource.get(f"{POLICY}.{each}") == "Delete":
            yield Finding(f"{POLICY}.{each}", "is not Retain")


CONTROL = ResourceControl(
    module=__name__,
    title="Volumes outlive who writes to them",
    why="a StatefulSet that is replaced, or made smaller, would take its data with it",
    mend=f"Set {POLICY}: whenDeleted and whenScaled to Retain.",
    references=("PCI DSS 4.0.1 6.5.1", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.7"),
    severity=Severity.CRITICAL,
    types=STATEFUL_SETS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
