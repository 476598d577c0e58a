"""Namespaces admit no pods but confined ones."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.kubernetes import NAMESPACES
from policies.resources import Resource

LABEL = "pod-security.kubernetes.io/enforce"
# From the loosest to the strictest, but for privileged, which admits all.
LEVELS = ("baseline", "restricted")


def check(namespace: Resource, settings: Settings) -> Findings:
    """A stricter level than asked for is right."""
    labels = namespace.get("metadata.labels") or {}
    least = settings["level"]
    if labels.get(LABEL) not in LEVELS[LEVELS.index(least) :]:
        yield Finding(f"metadata.labels {LABEL}", f"is not {least}")


CONTROL = ResourceControl(
    module=__name__,
    title="Namespaces admit confined pods alone",
    why="without it, whoever may make a pod there may make one that is root on the node",
    mend=f"Give the namespace the label {LABEL}: restricted.",
    references=("PCI DSS 4.0.1 2.2.1", "PCI DSS 4.0.1 7.3.3", "GDPR Art. 25(2)"),
    severity=Severity.HIGH,
    types=NAMESPACES,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "level": Parameter(
            "string", "restricted", "The loosest level of Pod Security.", choices=LEVELS
        )
    },
    check=check,
)
