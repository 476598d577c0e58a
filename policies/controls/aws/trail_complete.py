"""A trail sees all regions, and what it wrote can be proved."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import TRAILS
from policies.resources import Resource

# {property: what it is where nothing is said}
ASKED = {
    "enableLogging": True,
    "isMultiRegionTrail": False,
    "includeGlobalServiceEvents": True,
    "enableLogFileValidation": False,
}


def check(trail: Resource, settings: Settings) -> Findings:
    """Each of them leaves something unseen, or unproved."""
    for flag, default in ASKED.items():
        value = trail.get(flag)
        if not (default if value is None else value):
            yield Finding(flag, "is not true")


CONTROL = ResourceControl(
    module=__name__,
    title="Trails see everything, and sign it",
    why="an intruder works where nobody looks, and changes what was written elsewhere",
    mend="Set isMultiRegionTrail and enableLogFileValidation to true, and leave enableLogging and "
    "includeGlobalServiceEvents out.",
    references=(
        *("PCI DSS 4.0.1 10.2.1", "PCI DSS 4.0.1 10.2.1.2", "PCI DSS 4.0.1 10.3.4"),
        *("GDPR Art. 33", "FCA SYSC 9.1.1"),
    ),
    severity=Severity.HIGH,
    types=TRAILS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
