"""How members and clients find a workload on Kubernetes: its Services."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from platforms import kubernetes_names as names
from platforms.workload import Peer, Port, Workload

Manifest = dict[str, Any]

# By which load balancers of Amazon (its load balancer controller), Google and Microsoft know that
# they are not for the internet; each ignores the others' words.
INTERNAL: Mapping[str, str] = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "networking.gke.io/load-balancer-type": "Internal",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
}
INTERNET_FACING: Mapping[str, str] = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
}


class Services:
    """Registers a stack's Services, those of each workload once.

    load_balancer: "internal", "internet-facing" or "none"; annotations: for it, besides.
    sources: networks it takes connections from; all if empty.
    """

    def __init__(
        self,
        place: names.Place,
        load_balancer: str,
        annotations: Mapping[str, str],
        sources: tuple[str, ...],
    ) -> None:
        self._place = place
        self._load_balancer = load_balancer
        self._annotations = annotations
        self._sources = sources
        self._of: dict[str, tuple[Peer, tuple[pulumi.Resource, ...]]] = {}

    def for_members(self, peer: Peer, opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
        """A name for each member, which resolves to an address that stays, and answers also while
        the member is not ready.

        They come before the pods of those who look for them, and so may be registered before the
        workload itself: a Sentinel, for one, does not start with a name that does not resolve.
        """
        if peer.name in self._of:
            before, resources = self._of[peer.name]
            if (before.members, before.ports) != (peer.members, peer.ports):
                raise ValueError(f"{peer.name} is told in two ways: {before} and {peer}")
            return resources
        # As a peer: the same words, whoever mentions it first.
        told = Peer(peer.name, peer.ordinal, peer.replicas, peer.segments, peer.ports)
        resources = tuple(self._member(told, member, opts) for member in told.members if told.ports)
        self._of[peer.name] = (told, resources)
        return resources

    def for_pods(self, workload: Workload, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The one a StatefulSet's pods have their host names from."""
        return self._service(
            workload.name,
            workload,
            {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": self._place.server_selector(workload.name),
                **({"ports": _ports(workload.ports)} if workload.ports else {}),
            },
            opts,
        )

    def for_clients(
        self, workload: Workload, opts: pulumi.ResourceOptions
    ) -> tuple[pulumi.Resource, ...]:
        """The one by which clients come in, where a workload publishes ports."""
        ports = [
            {
                "name": port.name,
                "port": port.published[0],
                "targetPort": port.number,
                "protocol": "TCP",
            }
            for port in workload.ports
            if port.published
        ]
        if not ports:
            return ()
        spec: Manifest = {
            "selector": self._place.server_selector(workload.name),
            "ports": ports,
            "type": "ClusterIP",
        }
        annotations: dict[str, str] = {}
        if self._load_balancer != "none":
            spec["type"] = "LoadBalancer"
            # Otherwise a connection comes from a node, and who may connect cannot be told.
            spec["externalTrafficPolicy"] = "Local"
            if self._sources:
                spec["loadBalancerSourceRanges"] = list(self._sources)
            internal = self._load_balancer == "internal"
            annotations = {**(INTERNAL if internal else INTERNET_FACING), **self._annotations}
        name = names.entrance_name(workload)
        return (self._service(name, workload, spec, opts, annotations),)

    def _member(self, peer: Peer, member: str, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        spec = {
            "type": "ClusterIP",
            "publishNotReadyAddresses": True,
            "selector": {**self._place.selector(peer.name), names.LABEL_POD: member},
            "ports": _ports(peer.ports),
        }
        return self._service(member, peer, spec, opts, names.SKIP_AWAIT)

    def _service(
        self,
        name: str,
        peer: Peer,
        spec: Manifest,
        opts: pulumi.ResourceOptions,
        annotations: Mapping[str, str] | None = None,
    ) -> pulumi.Resource:
        service: pulumi.Resource = k8s.core.v1.Service(
            name,
            metadata=self._place.metadata(name, peer.name, annotations),
            spec=spec,
            opts=opts,
        )
        return service


def _ports(ports: tuple[Port, ...]) -> list[Manifest]:
    return [
        {
            "name": port.name,
            "port": port.number,
            "targetPort": port.number,
            "protocol": "TCP",
        }
        for port in ports
    ]
