"""How clients on this machine come to what a stack on Kubernetes publishes."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

from cli.errors import OperationFailed
from cli.kubernetes_api import KubernetesApi, Manifest
from cli.kubernetes_forward import HOST, Forward
from platforms.kubernetes_names import Place, entrance_name
from platforms.workload import Peer

# A network that leads nowhere says nothing: what has not answered by then is not reachable.
REACHED_SECONDS = 1.5


class WaysIn:
    """Finds a way once, and keeps it: the load balancer, else the Service's own address, else a
    port of this machine that is forwarded through the API server.
    """

    def __init__(self, api: KubernetesApi, place: Place) -> None:
        self._api = api
        self._place = place
        self._found: dict[tuple[str, int], tuple[str, int]] = {}
        self._forwards: list[Forward] = []

    def find(self, workload: str, published: int) -> tuple[str, int]:
        """(address, port) on this machine of what a workload publishes on a port.

        Raises OperationFailed.
        """
        key = (workload, published)
        if key not in self._found:
            self._found[key] = self._look(workload, published)
        return self._found[key]

    def _look(self, workload: str, published: int) -> tuple[str, int]:
        service = self._service(workload)
        for address in addresses(service):
            if reachable(address, published):
                return address, published
        target = _target_port(service, published)
        forward = Forward(lambda: self._api.forward(self._ready_pod(workload), target))
        self._forwards.append(forward)
        return HOST, forward.port

    def target(self, workload: str, published: int) -> int:
        """The port of a workload's own that it publishes on another. Raises OperationFailed."""
        return _target_port(self._service(workload), published)

    def _service(self, workload: str) -> Manifest:
        name = entrance_name(Peer(workload, 1, 1, ()))
        service = self._api.find("services", name)
        if service is None:
            raise OperationFailed(
                f"there is no Service {name} in namespace {self._api.namespace}: "
                f"./selfmonitor -s {self._place.stack} up"
            )
        return service

    def _ready_pod(self, workload: str) -> str:
        for pod in self._api.find_all("pods", self._place.server_selector(workload)):
            if is_ready(pod):
                return str(pod["metadata"]["name"])
        raise OperationFailed(f"no pod of {workload} is ready: ./selfmonitor status")


def is_ready(pod: Manifest) -> bool:
    """Whether a Service would lead to it."""
    conditions: list[Mapping[str, Any]] = pod.get("status", {}).get("conditions") or []
    return "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )


def addresses(service: Manifest) -> Iterator[str]:
    """Those of its load balancer, and its own."""
    balancer = service.get("status", {}).get("loadBalancer") or {}
    for ingress in balancer.get("ingress") or ():
        if ingress.get("ip"):
            yield ingress["ip"]
        elif ingress.get("hostname"):
            yield from _resolved(ingress["hostname"])
    own = service["spec"].get("clusterIP")
    if own and own != "None":
        yield own


def _resolved(name: str) -> list[str]:
    try:
        return [str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def reachable(address: str, port: int) -> bool:
    """Whether somebody takes connections there, as this machine sees it."""
    try:
        socket.create_connection((address, port), REACHED_SECONDS).close()
    except OSError:
        return False
    return True


def _target_port(service: Manifest, published: int) -> int:
    for port in service["spec"]["ports"]:
        if port["port"] == published:
            return int(port["targetPort"])
    raise OperationFailed(
        f"Service {service['metadata']['name']} has no port {published}: the stack is not as its "
        "stack file says"
    )
