"""Pods that keep data are reached from within the cluster alone."""

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.reading.kubernetes import (
    NAMESPACES,
    POD_TYPES,
    SERVICES,
    keeps_data,
    namespace_of,
    pod_labels,
)
from policies.resources import Resource, Stack

OUTSIDE = ("LoadBalancer", "NodePort")


def check(service: Resource, stack: Stack, settings: Settings) -> Findings:
    """By labels: what a Service selects, and what pods bear."""
    outside = service.get("spec.type") in OUTSIDE
    selector = service.get("spec.selector")
    if not selector or not (outside or service.get("spec.externalIPs")):
        return
    namespace = namespace_of(service, stack)
    for each in stack.of(POD_TYPES):
        labels = pod_labels(each)
        chosen = all(labels.get(key) == value for key, value in selector.items())
        if chosen and namespace_of(each, stack) == namespace and keeps_data(each):
            yield Finding("spec.selector", f"means {each.title}, which keeps data", service)


CONTROL = StackControl(
    module=__name__,
    title="Pods with data are not published",
    why="whoever reaches a database itself passes by the routers that check and encrypt",
    mend="Publish a router that keeps no data, and make this Service a ClusterIP.",
    references=("PCI DSS 4.0.1 1.3.1", "PCI DSS 4.0.1 1.4.4", "GDPR Art. 25(2)"),
    severity=Severity.CRITICAL,
    types=(*SERVICES, *POD_TYPES, *NAMESPACES),
    subjects=SERVICES,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
