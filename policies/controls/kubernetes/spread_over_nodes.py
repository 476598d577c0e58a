"""Replicas are on nodes of their own."""

from collections.abc import Mapping
from typing import Any

from policies.contract import (
    Finding,
    Findings,
    Level,
    ResourceControl,
    Settings,
    Severity,
    WhenUnknown,
)
from policies.environment import PerEnvironment
from policies.reading.kubernetes import (
    REPLICATED,
    expendable,
    part,
    pod_labels,
    pod_path,
    replicas,
    selects,
)
from policies.resources import Resource

NODE = "kubernetes.io/hostname"


def check(resource: Resource, settings: Settings) -> Findings:
    """No node may hold more replicas than may be lost."""
    count = replicas(resource)
    if count < 2:
        return
    path, labels = pod_path(resource), pod_labels(resource)
    pod = resource.get(path) or {}
    constraints = part(pod, "topologySpreadConstraints") or ()
    rules = part(pod, "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution")
    if any(part(each, "topologyKey") == NODE and of(each, labels) for each in rules or ()):
        return
    if not any(suffices(each, count) and of(each, labels) for each in constraints):
        yield Finding(
            f"{path}.topologySpreadConstraints",
            f"lets more than {expendable(count)} of {count} replicas share a node",
        )


def of(rule: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a rule is about these pods."""
    return selects(part(rule, "labelSelector"), labels)


def suffices(constraint: Mapping[str, Any], count: int) -> bool:
    """Whether one keeps replicas apart. minDomains is what makes it strict: without it, all on the
    only node there is are spread evenly.
    """
    nodes = part(constraint, "minDomains") or 1
    most = -(-count // nodes) + (part(constraint, "maxSkew") or 1) - 1
    return (
        part(constraint, "topologyKey") == NODE
        and part(constraint, "whenUnsatisfiable") != "ScheduleAnyway"
        and most <= expendable(count)
    )


CONTROL = ResourceControl(
    module=__name__,
    title="Replicas are on nodes of their own",
    why="with most of them on one node, its loss is the loss of all",
    mend=f"Spread over {NODE} with whenUnsatisfiable DoNotSchedule and minDomains: replicas.",
    references=("GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6", "FCA SYSC 15A.2.9"),
    severity=Severity.HIGH,
    types=REPLICATED,
    when_unknown=WhenUnknown.BLOCK,
    # A cluster to try things on may have one node.
    enforcement=PerEnvironment(Level.DISABLED, Level.ADVISORY, Level.MANDATORY),
    check=check,
)
