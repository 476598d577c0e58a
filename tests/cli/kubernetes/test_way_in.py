"""How clients on this machine come in: by the shortest way that there really is."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli import kubernetes_way_in as module
from cli.errors import OperationFailed
from cli.kubernetes_forward import Forward

PATIENCE = 10.0


class Echo:
    """A server that says back what it is told, on one address."""

    def __init__(self, address: str) -> None:
        self.listener = socket.create_server((address, 0))
        self.port = int(self.listener.getsockname()[1])
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        while data := connection.recv(1024):
            connection.sendall(b"echo " + data)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def echo() -> Iterator[Callable[[str], Echo]]:
    started: list[Echo] = []

    def start(address: str) -> Echo:
        started.append(Echo(address))
        return started[-1]

    yield start
    for each in started:
        each.close()


def publish(api: Any, port: int, own: str, *balancer: dict[str, str]) -> None:
    """The Service by which clients come to the routers."""
    api.add(
        "services",
        "router-clients",
        spec={"clusterIP": own, "ports": [{"port": port, "targetPort": 5432}]},
        status={"loadBalancer": {"ingress": list(balancer)}},
    )


def way(cluster: Any, port: int) -> dict[str, str]:
    found: dict[str, str] = cluster.way_in({"host": "db.example.com", "port": float(port)})
    return found


def test_the_load_balancer_comes_first(api: Any, cluster: Any, echo: Callable[[str], Echo]) -> None:
    server = echo("127.0.0.2")
    publish(api, server.port, "127.0.0.3", {"ip": "127.0.0.2"})
    assert way(cluster, server.port) == {
        "host": "db.example.com",
        "hostaddr": "127.0.0.2",
        "port": str(server.port),
    }


def test_a_load_balancer_that_is_known_by_name_is_looked_up(
    api: Any, cluster: Any, echo: Callable[[str], Echo]
) -> None:
    server = echo("127.0.0.1")
    publish(api, server.port, "127.0.0.3", {"hostname": "localhost"})
    assert way(cluster, server.port)["hostaddr"] == "127.0.0.1"


@pytest.mark.parametrize("balancer", [{"ip": "127.0.0.9"}, {"hostname": "nowhere.invalid"}, {}])
def test_where_it_leads_nowhere_the_services_own_address_is_taken(
    api: Any, cluster: Any, echo: Callable[[str], Echo], balancer: dict[str, str]
) -> None:
    server = echo("127.0.0.3")
    publish(api, server.port, "127.0.0.3", balancer)
    assert way(cluster, server.port)["hostaddr"] == "127.0.0.3"


def connected(port: int) -> Callable[[str, int], socket.socket]:
    def connect(pod: str, target: int) -> socket.socket:
        connect.asked.append((pod, target))  # type: ignore[attr-defined]
        return socket.create_connection(("127.0.0.1", port))

    connect.asked = []  # type: ignore[attr-defined]
    return connect


def test_otherwise_a_port_of_this_machine_leads_to_a_router_that_is_ready(
    api: Any, cluster: Any, echo: Callable[[str], Echo]
) -> None:
    server = echo("127.0.0.1")
    api.forwarded = connected(server.port)
    api.objects["pods", "router-1"]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    # Nobody listens there.
    publish(api, 1, "127.0.0.3")
    found = way(cluster, 1)
    assert (found["host"], found["hostaddr"]) == ("db.example.com", "127.0.0.1")
    for text in (b"one", b"two"):
        with socket.create_connection(("127.0.0.1", int(found["port"])), PATIENCE) as client:
            client.settimeout(PATIENCE)
            client.sendall(text)
            assert client.recv(100) == b"echo " + text
    assert api.forwarded.asked == [("router-2", 5432)] * 2
    assert way(cluster, 1) == found, "it is made once"


def test_a_forwarded_connection_ends_when_either_end_does(echo: Callable[[str], Echo]) -> None:
    server = echo("127.0.0.1")
    forward = Forward(lambda: socket.create_connection(("127.0.0.1", server.port)))
    client = socket.create_connection(("127.0.0.1", forward.port), PATIENCE)
    client.settimeout(PATIENCE)
    client.sendall(b"x")
    assert client.recv(100) == b"echo x"
    (theirs,) = server.connections
    theirs.shutdown(socket.SHUT_RDWR)
    assert client.recv(100) == b""
    again = socket.create_connection(("127.0.0.1", forward.port), PATIENCE)
    again.sendall(b"y")
    assert again.recv(100) == b"echo y"
    again.close()
    server.connections[1].settimeout(PATIENCE)
    forward.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", forward.port), PATIENCE)


def test_with_nobody_to_lead_to_the_connection_is_closed_as_a_dead_server_would() -> None:
    def nobody() -> Any:
        raise OperationFailed("no pod of router is ready")

    forward = Forward(nobody)
    with socket.create_connection(("127.0.0.1", forward.port), PATIENCE) as client:
        client.settimeout(PATIENCE)
        assert client.recv(1) == b""


def test_a_stack_that_publishes_nothing_is_told(api: Any, cluster: Any) -> None:
    with pytest.raises(OperationFailed, match="there is no Service router-clients in namespace"):
        way(cluster, 5432)
    publish(api, 5432, "None")
    with pytest.raises(OperationFailed, match="router-clients has no port 5433"):
        way(cluster, 5433)


@pytest.mark.parametrize(
    ("changed", "ready"),
    [
        ({}, True),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
        ({"conditions": []}, False),
    ],
)
def test_a_pod_is_led_to_as_a_service_would(api: Any, changed: Any, ready: bool) -> None:
    pod = api.objects["pods", "router-1"]
    pod["status"].update(changed)
    assert module.is_ready(pod) is ready
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    assert not module.is_ready(pod)
