"""Pods and containers in whatever makes pods."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.contract import (
    Finding,
    Findings,
    ResourceControl,
    Settings,
    Severity,
    Unseen,
    WhenUnknown,
)
from policies.resources import Resource
from policies.values import Unknown, UnknownUsedError

# Where the pod's specification is, by the last word of a type.
PODS: Mapping[str, str] = {
    "Pod": "spec",
    "Deployment": "spec.template.spec",
    "StatefulSet": "spec.template.spec",
    "DaemonSet": "spec.template.spec",
    "ReplicaSet": "spec.template.spec",
    "ReplicationController": "spec.template.spec",
    "Job": "spec.template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}
# `kubernetes:apps/v1:StatefulSet`, in any version.
POD_TYPES = tuple(f"kubernetes:*:{kind}" for kind in PODS)
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

# (pod, container) → (what of the container, what is wrong with it)
Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[tuple[str, str]]]


def pod_path(resource: Resource) -> str:
    """`spec.template.spec`: where the pod's specification is."""
    return PODS[resource.type.rpartition(":")[2]]


def containers(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, container) of all containers of the pod. Raises UnknownUsedError where it is not known
    which there are.
    """
    path = pod_path(resource)
    pod = resource.get(path) or {}
    for kind in CONTAINERS:
        for index, container in enumerate(pod.get(kind) or ()):
            yield f"{path}.{kind}[{index}]", container


def part(value: Any, path: str) -> Any:
    """The value at a path in a pod or container; None where there is none. Raises UnknownUsedError
    where it, or what it is in, is not known.
    """
    for key in path.split("."):
        if isinstance(value, Unknown):
            raise UnknownUsedError(value.path)
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    if isinstance(value, Unknown):
        raise UnknownUsedError(value.path)
    return value


def container_control(
    module: str,
    *,
    title: str,
    why: str,
    mend: str,
    references: tuple[str, ...],
    severity: Severity,
    judge: Judge,
) -> ResourceControl:
    """A control of every container of every pod: each of them is judged by itself, so that what is
    not known of one hides nothing of another.
    """

    def check(resource: Resource, settings: Settings) -> Findings:
        pod = resource.get(pod_path(resource)) or {}
        for path, container in containers(resource):
            try:
                for where, what in judge(pod, container):
                    yield Finding(f"{path}.{where}", what)
            except UnknownUsedError as error:
                yield Unseen(error.path)

    return ResourceControl(
        module=module,
        title=title,
        why=why,
        mend=mend,
        references=references,
        severity=severity,
        types=POD_TYPES,
        # How a container is confined never hangs on what is only known later.
        when_unknown=WhenUnknown.BLOCK,
        check=check,
    )
