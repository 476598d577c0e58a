"""No NetworkPolicy lets everybody in."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import NETWORK_POLICIES, part
from policies.resources import Resource

EVERYWHERE = ("0.0.0.0/0", "::/0")
PARTS = ("ipBlock", "podSelector", "namespaceSelector")


def everybody(peer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(where, what) makes a peer everybody."""
    if part(peer, "ipBlock.cidr") in EVERYWHERE:
        yield ".ipBlock.cidr", "is every address"
        return
    # An empty podSelector by itself is all pods of the policy's own namespace.
    own = "podSelector" in peer and "namespaceSelector" not in peer
    if not own and not any(part(peer, each) for each in PARTS):
        yield "", "is every pod of the cluster"


def check(policy: Resource, settings: Settings) -> Findings:
    """A rule without peers means all of them."""
    for index, rule in enumerate(policy.get("spec.ingress") or ()):
        path = f"spec.ingress[{index}].from"
        peers = part(rule, "from")
        if not peers:
            yield Finding(path, "is empty, and so everybody")
            continue
        for number, peer in enumerate(peers):
            for where, what in everybody(peer):
                yield Finding(f"{path}[{number}]{where}", what)


CONTROL = ResourceControl(
    module=__name__,
    title="Who may connect is named",
    why="a rule that lets everybody in undoes the policy that denies by default",
    mend="Name pods, namespaces or networks in the rule's from.",
    references=("PCI DSS 4.0.1 1.2.5", "PCI DSS 4.0.1 1.3.1", "PCI DSS 4.0.1 7.3.3"),
    severity=Severity.HIGH,
    types=NETWORK_POLICIES,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
