"""What is wrong with a machine, and by whom."""

import os
import socket
from collections import namedtuple
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.host import checks
from cli.host.certificates import extra_authorities
from settings.load import parse
from standalone.values import private_key, self_signed_cert


def engine(*, networks: Any = (), containers: Any = ()) -> Any:
    return SimpleNamespace(
        networks=SimpleNamespace(list=lambda: list(networks)),
        containers=SimpleNamespace(list=lambda **_: list(containers)),
        info=lambda: {"DockerRootDir": "/"},
    )


def network(name: str, subnet: str, stack: str | None = None) -> Any:
    labels = {"io.selfmonitor.stack": stack} if stack else None
    attrs = {"Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]}}
    return SimpleNamespace(name=name, attrs=attrs)


def publisher(name: str, port: int, stack: str | None = None) -> Any:
    ports = {"5432/tcp": [{"HostPort": str(port)}], "1/tcp": None}
    return SimpleNamespace(
        name=name,
        labels={"io.selfmonitor.stack": stack} if stack else {},
        attrs={"NetworkSettings": {"Ports": ports}},
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return found


def one_router(read_write: int, read_only: int, redis: int, side: int, **more: Any) -> Any:
    routers = {"replicas": 1, "read_write_port": read_write, "read_only_port": read_only}
    values = {
        "postgres": {"routers": routers},
        "redis": {"port": redis},
        "backup": {"side_port": side},
    }
    return parse({**values, **more}, "test")


@pytest.mark.parametrize(
    ("taken", "key"),
    [
        (0, "postgres.routers.read_write_port"),
        (1, "postgres.routers.read_only_port"),
        (2, "redis.port"),
        (3, "backup.side_port"),
    ],
)
def test_a_port_in_use_names_the_process_that_has_it(taken: int, key: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(listener.getsockname()[1])
        ports = free_ports(3)
        ports.insert(taken, port)
        (found,) = checks.check_ports(None, "local", one_router(*ports))
    name = Path("/proc/self/comm").read_text().strip()
    assert found.problem == f"port {port} is in use by {name} (process {os.getpid()})"
    assert found.fix == f"stop it, or set {key} in Pulumi.local.yaml to a free port"


def test_free_ports_are_no_finding() -> None:
    assert list(checks.check_ports(None, "local", one_router(*free_ports(4)))) == []


def test_a_port_another_container_publishes_names_it_and_its_own_is_fine() -> None:
    first, second, *others = free_ports(4)
    client = engine(containers=[publisher("web", first), publisher("mine", second, "local")])
    (found,) = checks.check_ports(client, "local", one_router(first, second, *others))
    assert found.problem == f"port {first} is in use by container web"


def test_the_side_instances_port_may_be_its_own_but_no_other_stacks() -> None:
    *ports, side = free_ports(4)
    settings = one_router(*ports, side)
    own = engine(containers=[publisher("selfmonitor-local-side-1", side, "local")])
    assert list(checks.check_ports(own, "local", settings)) == []
    other = engine(containers=[publisher("selfmonitor-shop-side-1", side, "shop")])
    (found,) = checks.check_ports(other, "local", settings)
    assert found.problem == f"port {side} is in use by container selfmonitor-shop-side-1"
    assert found.fix.startswith("stop it, or set backup.side_port in Pulumi.local.yaml")


def test_the_redis_port_of_every_router_is_looked_at() -> None:
    settings = parse({}, "test")
    others = engine(containers=[publisher("cache", settings.redis_ports[-1])])
    found = [each.problem for each in checks.check_ports(others, "local", settings)]
    assert "port 6389 is in use by container cache" in found


def test_an_address_this_machine_does_not_have_is_one_finding() -> None:
    settings = one_router(*free_ports(4), bind_address="192.0.2.7")
    (found,) = checks.check_address(None, "local", settings)
    assert list(checks.check_ports(None, "local", settings)) == []
    assert found.problem == "bind_address 192.0.2.7 is no address of this machine"


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(*found: tuple[str, str]) -> None:
        networks = [(interface, IPv4Network(text)) for interface, text in found]
        monkeypatch.setattr(checks, "_routes", lambda: iter(networks))

    give()
    return give


def test_a_subnet_that_meets_a_docker_network_names_it(routes: Callable[..., None]) -> None:
    client = engine(networks=[network("web", "172.18.0.0/16"), network("old", "10.87.4.0/24")])
    (found,) = checks.check_subnet(client, "local", parse({}, "test"))
    assert found.problem == ("subnet 10.87.0.0/20 collides with Docker network old (10.87.4.0/24)")


def test_the_stacks_own_networks_and_their_routes_are_no_collision(
    routes: Callable[..., None],
) -> None:
    routes(("br-1", "10.87.0.0/24"), ("eth0", "192.168.0.0/24"))
    client = engine(networks=[network("mine", "10.87.0.0/24", "local")])
    assert list(checks.check_subnet(client, "local", parse({}, "test"))) == []


def test_a_subnet_that_meets_a_route_names_the_interface(routes: Callable[..., None]) -> None:
    routes(("tun0", "10.0.0.0/8"))
    (found,) = checks.check_subnet(None, "local", parse({}, "test"))
    assert found.problem == "subnet 10.87.0.0/20 collides with 10.0.0.0/8 on interface tun0"


def test_networks_of_ipv6_or_of_no_addresses_are_no_collision(routes: Callable[..., None]) -> None:
    none = SimpleNamespace(name="none", attrs={"Labels": None, "IPAM": {"Config": None}})
    client = engine(networks=[none, network("six", "fd00::/64")])
    assert list(checks.check_subnet(client, "local", parse({}, "test"))) == []


@pytest.mark.parametrize(("free_gib", "findings"), [(3.9, 1), (4.1, 0)])
def test_too_little_disk_says_how_much_there_is_and_how_much_is_needed(
    monkeypatch: pytest.MonkeyPatch, free_gib: float, findings: int
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        checks.shutil, "disk_usage", lambda path: usage(0, 0, int(free_gib * checks.GIB))
    )
    found = list(checks.check_disk(None, "local", parse({}, "test")))
    assert len(found) == findings
    assert all("has 3.9 GiB free, and 4 GiB are needed" in str(each) for each in found)


def test_too_little_memory_matters_only_to_a_stack_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "available_memory_mib", lambda: 500)
    settings = parse({}, "test")
    (found,) = checks.check_memory(engine(), "local", settings)
    assert "has 500 MiB of memory available, and 1536 MiB are needed" in found.problem
    running = engine(containers=[publisher("mine", 1, "local")])
    assert list(checks.check_memory(running, "local", settings)) == []


# Extra certificate authorities.


def authority() -> str:
    key = private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})["privateKeyPem"]
    inputs = {"privateKeyPem": key, "allowedUses": ["cert_signing"], "validityPeriodHours": 1}
    return str(self_signed_cert(inputs)["certPem"])


def test_only_authorities_that_debian_does_not_ship_are_handed_over(tmp_path: Path) -> None:
    shipped, extra = authority(), authority()
    standard = tmp_path / "standard" / "mozilla"
    standard.mkdir(parents=True)
    (standard / "a.crt").write_text(shipped)
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(f"# note\n{shipped}\n{extra.replace(chr(10), chr(13) + chr(10))}{extra}")
    missing = tmp_path / "missing.crt"
    found = extra_authorities([bundle, missing], tmp_path / "standard")
    assert [pem.decode() for pem in found.values()] == [extra]


def test_without_debians_own_set_nothing_counts_as_extra(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(authority())
    assert extra_authorities([bundle], tmp_path / "standard") == {}


@pytest.mark.parametrize(("born", "findings"), [(3, 0), (5, 1)])
def test_the_consensus_store_keeps_the_number_of_members_it_was_born_with(
    born: int, findings: int
) -> None:
    cluster = ",".join(f"etcd-{n}=https://etcd-{n}:2380" for n in range(1, born + 1))
    env = ["ETCD_NAME=etcd-1", f"ETCD_INITIAL_CLUSTER={cluster}"]
    client = engine(containers=[SimpleNamespace(attrs={"Config": {"Env": env}})])
    found = list(checks.check_consensus(client, "local", parse({}, "test")))
    assert len(found) == findings
    for each in found:
        assert each.problem == ("postgres.consensus_members is 3, and stack local was born with 5")
        assert each.fix.startswith("set it back to 5")


def test_a_stack_that_was_never_born_may_have_any_number_of_consensus_members() -> None:
    settings = parse({"postgres": {"consensus_members": 5}}, "test")
    assert list(checks.check_consensus(engine(), "local", settings)) == []
