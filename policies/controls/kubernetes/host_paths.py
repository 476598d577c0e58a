"""No pod mounts what is its node's."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import POD_TYPES, part, pod_path
from policies.resources import Resource

VOLUMES = ("kubernetes:core/v1:PersistentVolume",)


def check(resource: Resource, settings: Settings) -> Findings:
    """Of a pod's own volumes, and of those that others make of a node's folders."""
    if resource.type in VOLUMES:
        if resource.get("spec.hostPath"):
            yield Finding("spec.hostPath", "is a path of the node")
        return
    path = pod_path(resource)
    pod = resource.get(path) or {}
    for index, volume in enumerate(part(pod, "volumes") or ()):
        if part(volume, "hostPath") is not None:
            yield Finding(f"{path}.volumes[{index}].hostPath", "is a path of the node")


CONTROL = ResourceControl(
    module=__name__,
    title="No pod mounts a path of its node",
    why="the node's files are the way to its other pods' secrets, and to the node itself",
    mend="Mount a claim, an emptyDir, a ConfigMap or a Secret.",
    references=("PCI DSS 4.0.1 2.2.3", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 5(1)(f)"),
    severity=Severity.CRITICAL,
    types=(*POD_TYPES, *VOLUMES),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
