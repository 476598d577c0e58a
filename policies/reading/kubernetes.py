"""Pods and containers in whatever makes pods, and how objects of a cluster are joined."""

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
from policies.resources import Resource, Stack
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

NAMESPACES = ("kubernetes:core/v1:Namespace",)
SERVICES = ("kubernetes:core/v1:Service",)
CONFIG_MAPS = ("kubernetes:core/v1:ConfigMap",)
CLAIMS = ("kubernetes:core/v1:PersistentVolumeClaim",)
STATEFUL_SETS = ("kubernetes:apps/*:StatefulSet",)
CRON_JOBS = ("kubernetes:batch/*:CronJob",)
NETWORK_POLICIES = ("kubernetes:networking.k8s.io/v1:NetworkPolicy",)
# What keeps a number of pods running.
REPLICATED = ("kubernetes:apps/*:StatefulSet", "kubernetes:apps/*:Deployment")

# (pod, container) → (what of the container, what is wrong with it)
Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[tuple[str, str]]]
# pod → (what of it, what is wrong with it)
PodJudge = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]


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


def of_containers(resource: Resource, judge: Judge) -> Findings:
    """What is wrong with each container: judged by itself, so that what is not known of one hides
    nothing of another.
    """
    pod = resource.get(pod_path(resource)) or {}
    for path, container in containers(resource):
        try:
            for where, what in judge(pod, container):
                yield Finding(f"{path}.{where}", what)
        except UnknownUsedError as error:
            yield Unseen(error.path)


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
    """A control of every container of every pod."""

    def check(resource: Resource, settings: Settings) -> Findings:
        return of_containers(resource, judge)

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


def pod_control(
    module: str,
    *,
    title: str,
    why: str,
    mend: str,
    references: tuple[str, ...],
    severity: Severity,
    judge: PodJudge,
) -> ResourceControl:
    """A control of every pod as a whole."""

    def check(resource: Resource, settings: Settings) -> Findings:
        path = pod_path(resource)
        for where, what in judge(resource.get(path) or {}):
            yield Finding(f"{path}.{where}", what)

    return ResourceControl(
        module=module,
        title=title,
        why=why,
        mend=mend,
        references=references,
        severity=severity,
        types=POD_TYPES,
        when_unknown=WhenUnknown.BLOCK,
        check=check,
    )


def name_of(resource: Resource) -> str:
    """What the object is called; the resource's own name where Pulumi is to choose one."""
    name = part(resource.props, "metadata.name")
    return str(name) if name else resource.name


def namespace_of(resource: Resource, stack: Stack) -> str:
    """What tells an object's namespace from others: its URN where the program makes it, otherwise
    its name. Raises UnknownUsedError where it is neither known nor recorded.
    """
    written = resource.get("metadata.namespace")
    made = stack.of(NAMESPACES)
    if isinstance(written, Unknown):
        recorded = set(resource.references.get("metadata", ())) & {each.urn for each in made}
        if len(recorded) != 1:
            raise UnknownUsedError(written.path)
        return recorded.pop()
    name = written or "default"
    return next((each.urn for each in made if known(each, "metadata.name") == name), str(name))


def known(resource: Resource, path: str) -> Any:
    """The value at a path; None where there is none, or where it is not known."""
    value = resource.get(path)
    return None if isinstance(value, Unknown) else value


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector means who bears these labels; an empty one means everybody, and none
    at all nobody. Raises UnknownUsedError.
    """
    if selector is None:
        return False
    wanted = part(selector, "matchLabels") or {}
    expressions = part(selector, "matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    if operator == "In":
        return labels.get(key) in (expression.get("values") or ())
    if operator == "NotIn":
        return labels.get(key) not in (expression.get("values") or ())
    return (key in labels) == (operator == "Exists")


def pod_labels(resource: Resource) -> Mapping[str, Any]:
    """Those that the pods of a resource bear. Raises UnknownUsedError."""
    owner = pod_path(resource).removesuffix("spec").removesuffix(".")
    path = f"{owner}.metadata.labels" if owner else "metadata.labels"
    found: Mapping[str, Any] = part(resource.props, path) or {}
    return found


def keeps_data(resource: Resource) -> bool:
    """Whether its pods write to what outlives them. Raises UnknownUsedError."""
    if part(resource.props, "spec.volumeClaimTemplates"):
        return True
    volumes = part(resource.props, f"{pod_path(resource)}.volumes") or ()
    return any(part(each, "persistentVolumeClaim") for each in volumes)


def replicas(resource: Resource) -> int:
    """How many pods it keeps running. Raises UnknownUsedError."""
    count = part(resource.props, "spec.replicas")
    return 1 if count is None else int(count)


def expendable(count: int) -> int:
    """How many of so many may be away at once: never a majority, and one where there are two."""
    return max(1, (count - 1) // 2)


def files(config_map: Resource) -> Iterator[tuple[str, str, Any]]:
    """(path, name, text) of what a ConfigMap holds; the text may be Unknown."""
    for name, text in (config_map.get("data") or {}).items():
        yield f"data.{name}", name, text


def first_of_namespace(
    subject: Resource,
    stack: Stack,
    types: tuple[str, ...],
    counts: Callable[[Resource], bool] = lambda resource: True,
) -> bool:
    """Whether it is the first in its namespace, of these types: what is said of a namespace is said
    of that one. Who cannot be told to be in the same namespace is in another. counts: who does.
    """
    namespace = namespace_of(subject, stack)
    for each in stack.of(types):
        try:
            if counts(each) and namespace_of(each, stack) == namespace:
                return each is subject
        except UnknownUsedError:
            continue
    return True
