"""Nothing is published on nodes."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import POD_TYPES, SERVICES, of_containers, part
from policies.resources import Resource


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a container's ports."""
    for index, port in enumerate(part(container, "ports") or ()):
        if part(port, "hostPort"):
            yield f"ports[{index}].hostPort", "is set"


def check(resource: Resource, settings: Settings) -> Findings:
    """By a Service, or by the container itself."""
    if resource.type not in SERVICES:
        yield from of_containers(resource, judge)
        return
    if resource.get("spec.type") == "NodePort":
        yield Finding("spec.type", "is NodePort")
    if resource.get("spec.externalIPs"):
        yield Finding("spec.externalIPs", "is set")


CONTROL = ResourceControl(
    module=__name__,
    title="Nothing is published on nodes",
    why="a node's port is open to every network the node is in, past load balancers and policies",
    mend="Make a Service of type ClusterIP or an internal LoadBalancer, and not NodePort.",
    references=("PCI DSS 4.0.1 1.2.5", "PCI DSS 4.0.1 1.3.1", "GDPR Art. 25(2)"),
    severity=Severity.HIGH,
    types=(*SERVICES, *POD_TYPES),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
