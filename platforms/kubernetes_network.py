"""Who may connect to whom on Kubernetes: nobody, and then exactly those who have to."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from platforms import kubernetes_names as names
from platforms.kubernetes_names import Place
from platforms.workload import Outside, Peer, Workload
from settings.kubernetes import ClientSettings

Manifest = dict[str, Any]

DNS_PORT = 53
# Where every distribution of Kubernetes has its name service.
DNS_NAMESPACE = {"kubernetes.io/metadata.name": "kube-system"}
DNS_PODS = {"k8s-app": "kube-dns"}


@dataclass(frozen=True)
class Surroundings:
    """What is around a stack: see settings.kubernetes for each."""

    clients: tuple[ClientSettings, ...]
    api_server: Outside
    dns_networks: tuple[IPv4Network, ...]


class NetworkPolicies:
    """Registers a stack's policies."""

    def __init__(self, place: Place, surroundings: Surroundings) -> None:
        self._place = place
        self._surroundings = surroundings

    def for_all(self, opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
        """Nothing in, nothing out but names: what is not allowed below is forbidden."""
        name_service = [
            {
                "namespaceSelector": {"matchLabels": DNS_NAMESPACE},
                "podSelector": {"matchLabels": DNS_PODS},
            },
            *map(_network, self._surroundings.dns_networks),
        ]
        ports = [{"port": DNS_PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
        everybody: Manifest = {"podSelector": {}}
        joined = {"matchLabels": {names.LABEL_NETWORK: names.NETWORK_JOINED}}
        return (
            self._policy(
                "default-deny", {**everybody, "policyTypes": ["Ingress", "Egress"]}, None, opts
            ),
            self._policy(
                "names",
                {
                    "podSelector": joined,
                    "policyTypes": ["Egress"],
                    "egress": [{"to": name_service, "ports": ports}],
                },
                None,
                opts,
            ),
        )

    def for_workload(
        self, workload: Workload, opts: pulumi.ResourceOptions
    ) -> tuple[pulumi.Resource, ...]:
        """What a workload may begin, at both its ends; and whom it lets in from outside.

        Raises ValueError where it is to talk to somebody with whom it shares no segment.
        """
        callees = _callees(workload)
        found = [
            self._policy(
                f"{callee.name}-from-{workload.name}",
                {
                    "podSelector": self._pods(callee),
                    "policyTypes": ["Ingress"],
                    "ingress": [
                        {"from": [{"podSelector": self._pods(workload)}], "ports": _ports(callee)}
                    ],
                },
                workload,
                opts,
            )
            for callee in callees
        ]
        egress = [
            {"to": [{"podSelector": self._pods(callee)}], "ports": _ports(callee)}
            for callee in callees
        ]
        egress += [_outside(each) for each in self._beyond(workload)]
        if egress:
            found.append(
                self._policy(
                    names.egress_name(workload.name),
                    {
                        "podSelector": self._pods(workload),
                        "policyTypes": ["Egress"],
                        "egress": egress,
                    },
                    workload,
                    opts,
                )
            )
        published = [port for port in workload.ports if port.published]
        if published and self._surroundings.clients:
            found.append(
                self._policy(
                    f"{workload.name}-from-clients",
                    {
                        "podSelector": self._pods(workload),
                        "policyTypes": ["Ingress"],
                        "ingress": [
                            {
                                "from": list(map(_client, self._surroundings.clients)),
                                "ports": [_port(port.number) for port in published],
                            }
                        ],
                    },
                    workload,
                    opts,
                )
            )
        return tuple(found)

    def _beyond(self, workload: Workload) -> tuple[Outside, ...]:
        api_server = (self._surroundings.api_server,) if workload.asks_platform else ()
        return (*workload.outside, *api_server)

    def _pods(self, peer: Peer) -> Manifest:
        return {"matchLabels": self._place.network_selector(peer.name)}

    def _policy(
        self,
        name: str,
        spec: Manifest,
        workload: Workload | None,
        opts: pulumi.ResourceOptions,
    ) -> pulumi.Resource:
        policy: pulumi.Resource = k8s.networking.v1.NetworkPolicy(
            name,
            metadata=self._place.metadata(name, workload.name if workload else None),
            spec=spec,
            opts=opts,
        )
        return policy


def _callees(workload: Workload) -> tuple[Peer, ...]:
    """Whom it connects to, each once: its own kind, and those it names or asks."""
    found: dict[str, Peer] = {}
    own = (workload,) if workload.replicas > 1 else ()
    for peer in (*own, *workload.talks_to, *workload.asks):
        if not set(peer.segments) & set(workload.segments):
            raise ValueError(f"{workload.name} shares no segment with {peer.name}")
        if peer.ports:
            found[peer.name] = peer
    return tuple(found.values())


def _port(number: int) -> Manifest:
    return {"port": number, "protocol": "TCP"}


def _ports(peer: Peer) -> list[Manifest]:
    return [_port(port.number) for port in peer.ports]


def _network(network: IPv4Network) -> Manifest:
    return {"ipBlock": {"cidr": str(network)}}


def _outside(outside: Outside) -> Manifest:
    return {
        "to": [_network(each) for each in outside.networks],
        "ports": [_port(number) for number in outside.ports],
    }


def _client(client: ClientSettings) -> Manifest:
    if client.network is not None:
        return _network(client.network)
    return {"namespaceSelector": {"matchLabels": dict(client.namespace_labels or {})}}
