"""Keeps members from the API server, which is what they agree in, and lets them back.

Policies only ever allow: to forbid something, what allows it is changed. The members' own policy is
put back exactly as it was, with the record of who wrote which of its fields, since the one that
wrote them would otherwise refuse to change them at the next `up`.
"""

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Any

from cli.errors import OperationFailed
from cli.kubernetes_api import KubernetesApi, Manifest

# Where the policy is kept as it was, on the policy itself: a drill that dies takes nothing along.
BEFORE = "selfmonitor.io/before-drill"
# Where Kubernetes says where its own API server is.
NAMESPACE, SERVICE = "default", "kubernetes"
OF_SERVICE = {"kubernetes.io/service-name": SERVICE}

Address = tuple[IPv4Address, int]
"""With a port."""


def cut(api: KubernetesApi, policy: str, servers: Iterable[Address]) -> None:
    """Takes these out of what a policy lets pods go to. Raises OperationFailed."""
    found = api.find("networkpolicies", policy)
    if found is None:
        raise OperationFailed(f"there is no NetworkPolicy {policy} in namespace {api.namespace}")
    if BEFORE in (found["metadata"].get("annotations") or {}):
        return
    egress = found["spec"].get("egress") or []
    without = excepting(egress, {address for address, _ in servers})
    if without == egress:
        raise OperationFailed(
            f"NetworkPolicy {policy} does not let its pods go to the API server: nothing to cut"
        )
    before = {"egress": egress, "managedFields": found["metadata"].get("managedFields")}
    api.patch(
        "networkpolicies",
        policy,
        {
            "metadata": {"annotations": {BEFORE: json.dumps(before)}},
            "spec": {"egress": without},
        },
    )


def mend(api: KubernetesApi, policy: str) -> None:
    """Puts the policy back; does nothing to one that is as it should be."""
    found = api.find("networkpolicies", policy)
    kept = ((found or {}).get("metadata", {}).get("annotations") or {}).get(BEFORE)
    if kept is None:
        return
    before = json.loads(kept)
    change: dict[str, Any] = {
        "metadata": {"annotations": {BEFORE: None}},
        "spec": {"egress": before["egress"]},
    }
    api.patch("networkpolicies", policy, change)
    if before["managedFields"]:
        # By itself: a change of anything else with it would be recorded as ours.
        api.patch(
            "networkpolicies", policy, {"metadata": {"managedFields": before["managedFields"]}}
        )


def api_servers(api: KubernetesApi) -> list[Address]:
    """Where pods reach the API server: before its Service and behind it. Raises OperationFailed."""
    found: list[tuple[str, int]] = []
    service = api.find("services", SERVICE, NAMESPACE)
    if service:
        found += [(service["spec"]["clusterIP"], port["port"]) for port in service["spec"]["ports"]]
    for each in api.find_all("endpointslices", OF_SERVICE, NAMESPACE):
        for endpoint in each.get("endpoints") or ():
            for address in endpoint["addresses"]:
                found += [(address, port["port"]) for port in each["ports"]]
    known = [(ip_address(address), port) for address, port in found]
    servers = [(each, port) for each, port in known if isinstance(each, IPv4Address)]
    if not servers:
        raise OperationFailed(f"nobody says where the API server is: Service {NAMESPACE}/{SERVICE}")
    return servers


def excepting(egress: list[Manifest], addresses: Iterable[IPv4Address]) -> list[Manifest]:
    """Rules that let pods go where these do, but not to these addresses.

    A rule that lets them go nowhere else is left out: one without destinations would be one to
    everywhere.
    """
    kept = []
    for rule in egress:
        places = [_without(place, addresses) for place in rule["to"]]
        left = [place for place in places if place is not None]
        if left:
            kept.append({**rule, "to": left})
    return kept


def _without(place: Manifest, addresses: Iterable[IPv4Address]) -> Manifest | None:
    """None: it is one of the addresses, and nothing else."""
    if "ipBlock" not in place:
        return place
    block = place["ipBlock"]
    network = IPv4Network(block["cidr"])
    inside = sorted(each for each in addresses if each in network)
    if not inside:
        return place
    if network.num_addresses == 1:
        return None
    excepted = [*(block.get("except") or ()), *(f"{each}/32" for each in inside)]
    return {"ipBlock": {**block, "except": list(dict.fromkeys(excepted))}}
