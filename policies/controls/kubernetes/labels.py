"""Objects say which stack they are of."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.kubernetes import POD_TYPES
from policies.resources import Resource

KINDS = (
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Namespace",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PriorityClass",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
)


def check(resource: Resource, settings: Settings) -> Findings:
    """An empty one says nothing."""
    given = resource.get("metadata.labels") or {}
    for each in settings["labels"]:
        if not given.get(each):
            yield Finding(f"metadata.labels {each}", "is missing")


CONTROL = ResourceControl(
    module=__name__,
    title="Objects say what they are of",
    why="what nobody can tell whose it is is neither guarded, nor paid for, nor taken away",
    mend="Give the object the labels in setting labels of this control.",
    references=("GDPR Art. 5(2)", "FCA SYSC 15A.4.1"),
    severity=Severity.LOW,
    types=(*POD_TYPES, *(f"kubernetes:*:{kind}" for kind in KINDS)),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "labels": Parameter(
            "strings",
            ("app.kubernetes.io/part-of", "app.kubernetes.io/instance"),
            "Labels that every object bears.",
        )
    },
    check=check,
)
