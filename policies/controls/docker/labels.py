"""Objects say which stack they are of, and volumes whose data they hold."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.docker import CONTAINERS, NETWORKS, VOLUMES, labels
from policies.resources import Resource


def check(resource: Resource, settings: Settings) -> Findings:
    """An empty one says nothing."""
    given = labels(resource)
    of_volumes = settings["volume_labels"] if resource.type in VOLUMES else ()
    for each in (*settings["labels"], *of_volumes):
        if not given.get(each):
            yield Finding(f"label {each}", "is missing")


CONTROL = ResourceControl(
    module=__name__,
    title="Objects say what they are of",
    why="a volume that nobody can tell whose it is is pruned, or kept for ever",
    mend="Give it the labels in settings labels and volume_labels of this control.",
    references=("GDPR Art. 5(2)", "FCA SYSC 15A.4.1"),
    severity=Severity.LOW,
    types=(*CONTAINERS, *VOLUMES, *NETWORKS),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "labels": Parameter(
            "strings", ("io.selfmonitor.stack",), "Labels of every container, volume and network."
        ),
        "volume_labels": Parameter(
            "strings",
            ("io.selfmonitor.workload", "io.selfmonitor.member", "io.selfmonitor.role"),
            "Further labels of volumes.",
        ),
    },
    check=check,
)
