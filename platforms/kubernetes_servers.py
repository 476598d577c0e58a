"""What keeps a workload's replicas running on Kubernetes: a StatefulSet and what belongs to it."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from platforms import kubernetes_names as names
from platforms.workload import Data, Workload

Manifest = dict[str, Any]

# In the claim template, which cannot be changed: the claims themselves are made here, at their
# size, and grow with the settings. The controller makes one of this size only for a claim that
# somebody has deleted, and the next up lets it grow.
TEMPLATE_GIB = 1
# A standby that streams again is in the quorum again some of Patroni's loops (2 s) later, and a
# Redis replica may be promoted again once Sentinel has looked (1 s): no update goes on before.
SETTLED_SECONDS = 10
# The provider's own limit for a StatefulSet.
LEAST_WAIT_SECONDS = 600
# What scheduling, attaching a volume and pulling an image may take, for each replica.
PLACE_SECONDS = 180


def claims(
    workload: Workload, place: names.Place, storage_class: str | None, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Registers a claim for each replica's volume, under the name its StatefulSet looks for.

    They stay when the stack is destroyed: who means the data deletes the namespace.
    """
    if workload.data is None:
        return ()
    return tuple(
        _claim(workload, member, place, storage_class, opts) for member in workload.members
    )


def _claim(
    workload: Workload,
    member: str,
    place: names.Place,
    storage_class: str | None,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    assert workload.data is not None
    name = names.claim_name(member)
    claim: pulumi.Resource = k8s.core.v1.PersistentVolumeClaim(
        name,
        # It is bound when its pod is placed, and the pod comes after it.
        metadata=place.metadata(name, workload.name, names.SKIP_AWAIT),
        spec=_claim_spec(workload.data.size_gib, storage_class),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True)),
    )
    return claim


def _claim_spec(size_gib: int, storage_class: str | None) -> Manifest:
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{size_gib}Gi"}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return spec


def stateful_set(
    workload: Workload,
    pod: Manifest,
    place: names.Place,
    storage_class: str | None,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Registers the replicas: created all at once, updated one after the other from the last, or
    by the workload's own job, which is what waits for them then: it may be an update that mends
    what nobody would become ready without.

    Created all at once also where an update must not: with OrderedReady, the controller does not
    make a lost pod anew while one before it cannot be placed, and a cluster that has lost one
    machine would be left with what is still running.
    """
    seconds = workload.patience_seconds or update_seconds(workload)
    spec: Manifest = {
        "serviceName": workload.name,
        "replicas": workload.replicas,
        "ordinals": {"start": 1},
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete" if workload.replace_members else "RollingUpdate"},
        "minReadySeconds": SETTLED_SECONDS if workload.one_at_a_time else 0,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": place.server_selector(workload.name)},
        "template": pod,
    }
    if workload.data is not None:
        spec["volumeClaimTemplates"] = [_template(workload.data, storage_class)]
    replicas: pulumi.Resource = k8s.apps.v1.StatefulSet(
        workload.name,
        metadata=place.metadata(
            workload.name, workload.name, names.SKIP_AWAIT if workload.replace_members else None
        ),
        spec=spec,
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                # Its name is fixed: the old one must be gone before the new one comes.
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s"),
            ),
        ),
    )
    return replicas


def _template(data: Data, storage_class: str | None) -> Manifest:
    size = min(TEMPLATE_GIB, data.size_gib)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": names.DATA_VOLUME},
        "spec": _claim_spec(size, storage_class),
    }


def update_seconds(workload: Workload) -> int:
    """How long it may take to replace all replicas, one after the other."""
    ready = workload.readiness.within_seconds if workload.readiness else 0
    each = PLACE_SECONDS + workload.stop_grace_seconds + workload.before_stop_seconds + ready
    return max(LEAST_WAIT_SECONDS, workload.replicas * each)


def disruption_budget(
    workload: Workload, place: names.Place, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Registers that of several replicas one at a time may be taken away on purpose."""
    if workload.replicas == 1:
        # A budget of one would hold up every drain of its node, and one of none does nothing.
        return ()
    budget: pulumi.Resource = k8s.policy.v1.PodDisruptionBudget(
        workload.name,
        metadata=place.metadata(workload.name, workload.name),
        spec={
            "maxUnavailable": 1,
            # Who is not ready serves nobody: whoever empties a node, or replaces what does not
            # start, is not to wait for it.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": place.server_selector(workload.name)},
        },
        opts=opts,
    )
    return (budget,)
