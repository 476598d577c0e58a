"""Who may connect to whom: computed from the policies, as the network does."""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Whom each workload has to reach, and nobody else.
WANTED = {
    "backup": {"postgres", "redis", "vault"},
    "events": {"postgres", "sentinel"},
    "postgres": {"postgres", "vault"},
    "provision": {"postgres"},
    "redis": {"redis", "sentinel"},
    "replication": {"vault", "vault-copy"},
    "restore-test": {"vault"},
    "router": {"postgres", "redis", "router"},
    "sentinel": {"redis", "sentinel"},
    "side": {"router", "vault"},
    "vault": set(),
    "vault-copy": set(),
}
PORTS = {
    "events": {8010},
    "postgres": {5432, 8008, 8432},
    "redis": {6379},
    "router": {5432, 5433, 6379},
    "sentinel": {26379},
    "side": {5432},
    "vault": {7070},
    "vault-copy": {7070},
}
TRIED = sorted({port for ports in PORTS.values() for port in ports} | {22, 443, 2379, 9999})
HOME = {"kubernetes.io/metadata.name": "selfmonitor-staging"}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, "no other words are understood here"
    return selector.get("matchLabels", {}).items() <= labels.items()


class End:
    """One end of a connection: a pod of a namespace, or an address outside."""

    def __init__(
        self, labels: dict[str, str], namespace: dict[str, str] | None, address: str = "0.0.0.0"
    ) -> None:
        self.labels, self.namespace, self.address = labels, namespace, address

    def is_meant_by(self, peer: dict[str, Any]) -> bool:
        if "ipBlock" in peer:
            assert peer["ipBlock"].keys() == {"cidr"}
            inside = ipaddress.ip_address(self.address)
            return self.namespace is None and inside in ipaddress.ip_network(
                peer["ipBlock"]["cidr"]
            )
        if self.namespace is None:
            return False
        if "namespaceSelector" in peer:
            there = selects(peer["namespaceSelector"], self.namespace)
        else:
            there = self.namespace == HOME
        return there and selects(peer.get("podSelector", {}), self.labels)


def allowed(
    policies: list[dict[str, Any]], direction: str, of: End, other: End, port: int, protocol: str
) -> bool:
    """As NetworkPolicy says: who is selected by none is open; otherwise one rule must match."""
    if of.namespace != HOME:
        return True
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    chosen = [
        each["spec"]
        for each in policies
        if direction in each["spec"]["policyTypes"]
        and selects(each["spec"]["podSelector"], of.labels)
    ]
    if not chosen:
        return True
    return any(
        (side not in rule or any(other.is_meant_by(peer) for peer in rule[side]))
        and (
            "ports" not in rule
            or any((p["port"], p["protocol"]) == (port, protocol) for p in rule["ports"])
        )
        for spec in chosen
        for rule in spec.get(key, ())
    )


def connects(
    policies: list[dict[str, Any]], begin: End, end: End, port: int, protocol: str = "TCP"
) -> bool:
    return allowed(policies, "Egress", begin, end, port, protocol) and allowed(
        policies, "Ingress", end, begin, port, protocol
    )


@pytest.fixture(scope="module")
def policies(cluster: Any) -> list[dict[str, Any]]:
    return list(cluster.of("NetworkPolicy").values())


@pytest.fixture(scope="module")
def pods(cluster: Any) -> dict[str, End]:
    return {
        where: End(template["metadata"]["labels"], HOME)
        for where, template in cluster.pods().items()
    }


def workload(end: End) -> str:
    return end.labels["app.kubernetes.io/name"]


def test_every_pair_that_may_connect_has_to_and_on_these_ports_alone(
    policies: list[dict[str, Any]], pods: dict[str, End]
) -> None:
    found: dict[str, set[str]] = {name: set() for name in WANTED}
    ports: dict[str, set[int]] = {}
    for begin in pods.values():
        for end in pods.values():
            for port in TRIED:
                if connects(policies, begin, end, port):
                    found[workload(begin)].add(workload(end))
                    ports.setdefault(workload(end), set()).add(port)
    assert found == WANTED
    reached = {name for names in WANTED.values() for name in names}
    assert ports == {name: PORTS[name] for name in reached}


def test_a_job_reaches_what_the_server_beside_it_does(
    policies: list[dict[str, Any]], pods: dict[str, End]
) -> None:
    job, server = pods["CronJob/backup-full"], pods["StatefulSet/backup"]
    for end in pods.values():
        for port in TRIED:
            assert connects(policies, job, end, port) == connects(policies, server, end, port)


def test_without_one_of_its_policies_a_pair_is_cut(
    policies: list[dict[str, Any]], pods: dict[str, End]
) -> None:
    """Both ends have to allow it: the check would not see it otherwise."""
    begin, end = pods["StatefulSet/router"], pods["StatefulSet/redis"]
    assert connects(policies, begin, end, 6379)
    for name in ("redis-from-router", "router-out"):
        without = [each for each in policies if each["metadata"]["name"] != name]
        assert len(without) == len(policies) - 1
        assert not connects(without, begin, end, 6379)


def strangers() -> Iterator[End]:
    yield End({"app.kubernetes.io/name": "router"}, {"kubernetes.io/metadata.name": "other"})
    yield End({}, None, "203.0.113.9")
    yield End({}, None, "10.21.0.1")


def test_nobody_else_comes_in(policies: list[dict[str, Any]], pods: dict[str, End]) -> None:
    for stranger in strangers():
        for where, pod in pods.items():
            assert not [port for port in TRIED if connects(policies, stranger, pod, port)], where


CLIENTS = (
    End({}, {"kubernetes.io/metadata.name": "shop"}),
    End({}, None, "10.20.7.7"),
)


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_reach_what_is_published_and_nothing_else(
    policies: list[dict[str, Any]], pods: dict[str, End], client: End
) -> None:
    found = {
        where: {port for port in TRIED if connects(policies, client, pod, port)}
        for where, pod in pods.items()
    }
    assert {where: ports for where, ports in found.items() if ports} == {
        "StatefulSet/router": {5432, 5433, 6379},
        "StatefulSet/side": {5432},
    }


def test_without_clients_nobody_connects_from_outside(on_kubernetes: Callable[..., Any]) -> None:
    found = on_kubernetes(settings={"kubernetes": {}})
    policies = list(found.of("NetworkPolicy").values())
    for client in CLIENTS:
        for template in found.pods().values():
            pod = End(template["metadata"]["labels"], HOME)
            assert not [port for port in TRIED if connects(policies, client, pod, port)]


def test_names_are_resolved_by_the_clusters_name_service_alone(
    policies: list[dict[str, Any]], pods: dict[str, End]
) -> None:
    dns = End({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
    other = End({"k8s-app": "metrics"}, {"kubernetes.io/metadata.name": "kube-system"})
    impostor = End({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "shop"})
    for pod in pods.values():
        for protocol in ("UDP", "TCP"):
            assert connects(policies, pod, dns, 53, protocol)
            assert not connects(policies, pod, other, 53, protocol)
            assert not connects(policies, pod, impostor, 53, protocol)
        assert not connects(policies, pod, dns, 443)


def test_only_postgresql_reaches_anything_outside_and_that_is_the_api_server(
    on_kubernetes: Callable[..., Any],
) -> None:
    found = on_kubernetes(
        settings={
            "kubernetes": {
                "api_server_networks": ["10.0.0.1/32"],
                "api_server_ports": [6443],
                "dns_networks": ["169.254.20.10/32"],
            }
        }
    )
    policies = list(found.of("NetworkPolicy").values())
    outside = {
        "API server": End({}, None, "10.0.0.1"),
        "node's name service": End({}, None, "169.254.20.10"),
        "internet": End({}, None, "203.0.113.9"),
    }
    for where, template in found.pods().items():
        pod = End(template["metadata"]["labels"], HOME)
        reached = {
            name: {port for port in (*TRIED, 53, 6443) if connects(policies, pod, end, port)}
            for name, end in outside.items()
        }
        asks = where == "StatefulSet/postgres" or where.startswith("Job/postgres-update-")
        api_server = {6443} if asks else set()
        assert reached == {
            "API server": api_server,
            "node's name service": {53},
            "internet": set(),
        }, where
