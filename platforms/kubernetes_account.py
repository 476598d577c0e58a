"""What a workload's pods may ask of the API server: nothing, or what they need for their work."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from platforms.kubernetes_names import Place
from platforms.workload import Consensus, Peer, Workload

RBAC = "rbac.authorization.k8s.io"


def account(
    workload: Workload, place: Place, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Registers a workload's account, with its rights if it has any.

    Each has one of its own: what is granted to it, here or by a cloud's role, is granted to no
    other.
    """
    metadata = place.metadata(workload.name, workload.name)
    own: pulumi.Resource = k8s.core.v1.ServiceAccount(
        workload.name, metadata=metadata, automount_service_account_token=False, opts=opts
    )
    if not workload.asks_platform:
        return (own,)
    role: pulumi.Resource = k8s.rbac.v1.Role(
        workload.name, metadata=metadata, rules=rules(workload), opts=opts
    )
    binding: pulumi.Resource = k8s.rbac.v1.RoleBinding(
        workload.name,
        metadata=metadata,
        role_ref={"apiGroup": RBAC, "kind": "Role", "name": workload.name},
        subjects=[{"kind": "ServiceAccount", "name": workload.name, "namespace": place.namespace}],
        opts=opts,
    )
    return own, role, binding


def rules(workload: Workload) -> list[dict[str, Any]]:
    """All that its account may do."""
    found: list[dict[str, Any]] = []
    if workload.consensus is not None:
        found += _consensus(workload, workload.consensus)
    if workload.replaces is not None:
        found += _replacement(workload.replaces)
    return found


def _replacement(peer: Peer) -> list[dict[str, Any]]:
    """To look at one StatefulSet and its pods, by name, and to ask for one of them to go.

    An eviction is refused while the disruption budget has nobody to spare; a deletion is not.
    """
    return [
        {
            "apiGroups": ["apps"],
            "resources": ["statefulsets"],
            "resourceNames": [peer.name],
            "verbs": ["get"],
        },
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "resourceNames": list(peer.members),
            "verbs": ["get"],
        },
        {
            "apiGroups": [""],
            "resources": ["pods/eviction"],
            "resourceNames": list(peer.members),
            "verbs": ["create"],
        },
    ]


def _consensus(workload: Workload, consensus: Consensus) -> list[dict[str, Any]]:
    """Its own pods and its own objects by name, to read and to change.

    To list, to watch and to create cannot be limited to names: it may look at the namespace's
    ConfigMaps and pods, in which there is no secret, and create ConfigMaps.
    """
    core = {"apiGroups": [""]}
    return [
        {
            **core,
            "resources": ["configmaps"],
            "resourceNames": list(consensus.objects),
            "verbs": ["get", "patch"],
        },
        {**core, "resources": ["configmaps"], "verbs": ["create", "list", "watch"]},
        {
            **core,
            "resources": ["pods"],
            "resourceNames": list(workload.members),
            "verbs": ["get", "patch"],
        },
        {**core, "resources": ["pods"], "verbs": ["list", "watch"]},
    ]
