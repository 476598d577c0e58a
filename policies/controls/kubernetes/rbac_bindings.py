"""Nobody is given a role that is everything, and no role is everybody's."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.kubernetes import part
from policies.resources import Resource

EVERYBODY = (
    "system:anonymous",
    "system:authenticated",
    "system:masters",
    "system:serviceaccounts",
    "system:unauthenticated",
)


def check(binding: Resource, settings: Settings) -> Findings:
    """Also where it is for one namespace alone: the secrets there are in it."""
    kind, name = binding.get("roleRef.kind"), binding.get("roleRef.name")
    if kind == "ClusterRole" and name in settings["roles"]:
        yield Finding("roleRef.name", "is a role that is not to be given")
    for index, subject in enumerate(binding.get("subjects") or ()):
        if part(subject, "name") in EVERYBODY:
            yield Finding(f"subjects[{index}].name", "is a group of everybody")


CONTROL = ResourceControl(
    module=__name__,
    title="No account has a role of administrators",
    why="whoever breaks into one pod with it has every secret, and every other pod",
    mend="Bind a Role with what the account needs, to it alone, and no such ClusterRole.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(4)"),
    severity=Severity.CRITICAL,
    types=(
        "kubernetes:rbac.authorization.k8s.io/*:RoleBinding",
        "kubernetes:rbac.authorization.k8s.io/*:ClusterRoleBinding",
    ),
    # Names of roles may be generated; those that are not to be given are Kubernetes' own.
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "roles": Parameter(
            "strings",
            ("admin", "cluster-admin", "edit"),
            "ClusterRoles that no account of a program is to have.",
        )
    },
    check=check,
)
