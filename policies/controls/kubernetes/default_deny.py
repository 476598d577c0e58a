"""Where there are pods, nothing is let in or out but what a policy names."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.reading.kubernetes import (
    NAMESPACES,
    NETWORK_POLICIES,
    POD_TYPES,
    first_of_namespace,
    namespace_of,
)
from policies.resources import Resource, Stack
from policies.values import UnknownUsedError

DIRECTIONS = ("Ingress", "Egress")


def denied(policy: Resource) -> set[str]:
    """The directions in which a policy lets no pod of its namespace talk."""
    if policy.get("spec.podSelector.matchLabels") or policy.get(
        "spec.podSelector.matchExpressions"
    ):
        return set()
    rules = {each for each in DIRECTIONS if policy.get(f"spec.{each.lower()}")}
    # What Kubernetes takes for granted: incoming always, outgoing where there are rules for it.
    types = policy.get("spec.policyTypes") or ("Ingress", *rules)
    return {each for each in DIRECTIONS if each in types} - rules


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Of the first that has pods in a namespace, for all of them."""
    namespace = namespace_of(subject, stack)
    if not first_of_namespace(subject, stack, POD_TYPES):
        return
    found: set[str] = set()
    unseen = []
    for policy in stack.of(NETWORK_POLICIES):
        try:
            if namespace_of(policy, stack) == namespace:
                found |= denied(policy)
        except UnknownUsedError as error:
            unseen.append(Unseen(f"{error.path} of NetworkPolicy {policy.name}", subject))
    missing = [each for each in DIRECTIONS if each not in found]
    if missing and unseen:
        yield from unseen
    else:
        for each in missing:
            yield Finding(f"default-deny NetworkPolicy for {each}", "is missing", subject)


CONTROL = StackControl(
    module=__name__,
    title="Where there are pods, policies deny what none allows",
    why="without one, every pod of the cluster reaches these, and these reach the whole world",
    mend="Make a NetworkPolicy with podSelector {}, policyTypes Ingress and Egress, and no rules.",
    references=("PCI DSS 4.0.1 1.3.1", "PCI DSS 4.0.1 1.3.2", "GDPR Art. 25(2)"),
    severity=Severity.HIGH,
    types=(*POD_TYPES, *NETWORK_POLICIES, *NAMESPACES),
    subjects=POD_TYPES,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
