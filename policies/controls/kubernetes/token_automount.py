"""No pod has a token of the API server without a use for it."""

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.reading.kubernetes import NAMESPACES, POD_TYPES, name_of, namespace_of, part, pod_path
from policies.resources import Resource, Stack

ACCOUNTS = ("kubernetes:core/v1:ServiceAccount",)
BINDINGS = (
    "kubernetes:rbac.authorization.k8s.io/*:RoleBinding",
    "kubernetes:rbac.authorization.k8s.io/*:ClusterRoleBinding",
)
MOUNT = "automountServiceAccountToken"


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """The pod's own word holds over its account's; left out by both, it is mounted."""
    path = pod_path(subject)
    pod = subject.get(path) or {}
    mounted = part(pod, MOUNT)
    if mounted is False:
        return
    account = part(pod, "serviceAccountName") or "default"
    namespace = namespace_of(subject, stack)
    if mounted is None and any(
        part(each.props, MOUNT) is False
        for each in stack.of(ACCOUNTS)
        if name_of(each) == account and namespace_of(each, stack) == namespace
    ):
        return
    if not any(is_granted(each, account, namespace, stack) for each in stack.of(BINDINGS)):
        yield Finding(f"{path}.{MOUNT}", "is not false, and nothing is granted to it", subject)


def is_granted(binding: Resource, account: str, namespace: str, stack: Stack) -> bool:
    """Whether a binding gives an account anything."""
    return any(
        part(each, "kind") == "ServiceAccount"
        and part(each, "name") == account
        and of_subject(part(each, "namespace"), stack) == namespace
        for each in binding.get("subjects") or ()
    )


def of_subject(name: str | None, stack: Stack) -> str:
    """What tells the namespace of a binding's subject from others, see namespace_of."""
    told = Resource("", "", "", {"metadata": {"namespace": name}})
    return namespace_of(told, stack)


CONTROL = StackControl(
    module=__name__,
    title="No pod has a token it has no use for",
    why="a token is a way to the API server for whoever breaks into the pod",
    mend=f"Set {MOUNT}: false on the pod, or bind a role to its account if it needs one.",
    references=("PCI DSS 4.0.1 2.2.4", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 25(2)"),
    severity=Severity.MEDIUM,
    types=(*POD_TYPES, *ACCOUNTS, *BINDINGS, *NAMESPACES),
    subjects=POD_TYPES,
    # Generated names of accounts and namespaces.
    when_unknown=WhenUnknown.DEFER,
    check=check,
)
