"""There are enough of those that agree by majority, and an odd number."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading import quorum
from policies.reading.kubernetes import REPLICATED, name_of, replicas
from policies.resources import Resource


def check(resource: Resource, settings: Settings) -> Findings:
    """By the object's name."""
    name = name_of(resource)
    if quorum.counted(name, settings):
        found = quorum.wrong(name, replicas(resource), settings)
        if found:
            yield Finding("spec.replicas", found)


CONTROL = ResourceControl(
    module=__name__,
    title="A majority survives the loss of one",
    why="with two of them, or with one, the loss of one stops every write",
    mend="Run 3, 5 or 7.",
    references=("GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6", "FCA SYSC 15A.2.9"),
    severity=Severity.HIGH,
    types=REPLICATED,
    when_unknown=WhenUnknown.DEFER,
    parameters=quorum.PARAMETERS,
    check=check,
)
