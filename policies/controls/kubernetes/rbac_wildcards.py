"""No role may do everything, and none may make itself more."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import part
from policies.resources import Resource

ALL = "*"
WHERE = ("apiGroups", "resources", "verbs", "nonResourceURLs")
# By which one becomes somebody else.
ESCALATING = ("bind", "escalate", "impersonate")


def check(role: Resource, settings: Settings) -> Findings:
    """Of each rule."""
    for index, rule in enumerate(role.get("rules") or ()):
        for each in WHERE:
            if ALL in (part(rule, each) or ()):
                yield Finding(f"rules[{index}].{each}", "has a wildcard")
        if any(verb in ESCALATING for verb in part(rule, "verbs") or ()):
            yield Finding(f"rules[{index}].verbs", "let it become somebody else")


CONTROL = ResourceControl(
    module=__name__,
    title="Roles name what may be done, and to what",
    why="a wildcard covers secrets too, and whatever the cluster will have tomorrow",
    mend="List the verbs and resources that are needed, with resourceNames where there can be.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(4)"),
    severity=Severity.HIGH,
    types=(
        "kubernetes:rbac.authorization.k8s.io/*:Role",
        "kubernetes:rbac.authorization.k8s.io/*:ClusterRole",
    ),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
