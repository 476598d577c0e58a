"""What must be true of this machine before a stack can run on it.

Each check returns nothing when all is well, or a Finding: what is wrong and what to do.
"""

import contextlib
import errno
import shutil
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platforms.docker_names import LABEL_ROLE, LABEL_STACK, LABEL_WORKLOAD, ROLE_SERVER
from settings.stack import StackSettings

if TYPE_CHECKING:
    import docker

# Images take 1.3 GiB; the rest is a little data and room to build.
DISK_FREE_GIB = 4
# With the images there, room to start and to write some WAL.
DISK_FREE_BUILT_GIB = 1
# What the stack may take at rest; with less it starts to swap or to be killed.
MEMORY_FREE_MIB = 1536
GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """What is wrong, and the way to mend it."""

    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.fix}"


def own_containers(client: "docker.DockerClient", stack: str) -> list[Any]:
    """The stack's running containers."""
    return list(
        client.containers.list(filters={"label": f"{LABEL_STACK}={stack}"}, ignore_removed=True)
    )


def published_ports(client: "docker.DockerClient") -> dict[int, Any]:
    """Host port → the running container that publishes it."""
    result = {}
    for container in client.containers.list(ignore_removed=True):
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values():
            for binding in bindings or ():
                result[int(binding["HostPort"])] = container
    return result


def _open_files(process: Path) -> Iterator[str]:
    """What a process has open, as far as this user may see it and it does not vanish meanwhile."""
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return
    for link in links:
        with contextlib.suppress(OSError):
            yield str(link.readlink())


def _process_on(port: int) -> str:
    """“postgres (process 812)”, as far as this user may see it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # 0A: listening.
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        if any(link in inodes for link in _open_files(process)):
            try:
                name = (process / "comm").read_text().strip()
            except OSError:
                continue
            return f"{name} (process {process.name})"
    return "another program"


def check_address(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """The address the routers listen on is one of this machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((str(settings.bind_address), 0))
        except OSError:
            yield Finding(
                f"bind_address {settings.bind_address} is no address of this machine",
                "set it to one that `ip address` shows, or to 127.0.0.1",
            )


def check_ports(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """Every port the stack publishes is free, or already this stack's own."""
    routers = settings.postgres.routers
    published = published_ports(client) if client is not None else {}
    for key, ports in (
        ("postgres.routers.read_write_port", routers.published(routers.read_write_port)),
        ("postgres.routers.read_only_port", routers.published(routers.read_only_port)),
        ("redis.port", settings.redis_ports),
        ("backup.side_port", (settings.backup.side_port,)),
    ):
        for port in ports:
            holder = published.get(port)
            if holder is not None and holder.labels.get(LABEL_STACK) == stack:
                continue
            fix = f"stop it, or set {key} in Pulumi.{stack}.yaml to a free port"
            if holder is not None:
                yield Finding(f"port {port} is in use by container {holder.name}", fix)
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                # As Docker's own listener does: a port in TIME_WAIT is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((str(settings.bind_address), port))
                except PermissionError:
                    continue
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        return
                    yield Finding(f"port {port} is in use by {_process_on(port)}", fix)


def _routes() -> Iterator[tuple[str, IPv4Network]]:
    """Interface and destination of each route of this machine, the default route left out."""
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        address, mask = (IPv4Address(struct.pack("<L", int(fields[i], 16))) for i in (1, 7))
        if int(mask):
            yield fields[0], IPv4Network(f"{address}/{mask}")


def check_subnet(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """The stack's subnet meets no other network of Docker or of this machine."""
    fix = f"set selfmonitor:subnet in Pulumi.{stack}.yaml to a free private network, /20 or larger"
    own: list[IPv4Network] = []
    for network in client.networks.list() if client is not None else ():
        mine = (network.attrs.get("Labels") or {}).get(LABEL_STACK) == stack
        for pool in (network.attrs["IPAM"] or {}).get("Config") or ():
            if ":" in pool.get("Subnet", ":"):
                continue
            other = IPv4Network(pool["Subnet"])
            if mine:
                own.append(other)
            elif other.overlaps(settings.subnet):
                yield Finding(
                    f"subnet {settings.subnet} collides with Docker network {network.name} "
                    f"({other})",
                    fix,
                )
                return
    for interface, route in _routes():
        if route.overlaps(settings.subnet) and not any(route == each for each in own):
            yield Finding(
                f"subnet {settings.subnet} collides with {route} on interface {interface}", fix
            )
            return


def check_disk(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """Room for images and data where Docker keeps them."""
    directory = Path(client.info()["DockerRootDir"]) if client is not None else Path("/var/lib")
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    built = client is not None and bool(client.images.list(name="selfmonitor/postgres"))
    needed = DISK_FREE_BUILT_GIB if built else DISK_FREE_GIB
    if free < needed * GIB:
        yield Finding(
            f"{directory} has {free / GIB:.1f} GiB free, and {needed} GiB are needed",
            "free some, e.g. docker system prune",
        )


def available_memory_mib() -> int | None:
    """MemAvailable of this machine, MiB; None where it is not told."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None


def check_memory(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """Memory for a stack that does not run yet."""
    if client is not None and own_containers(client, stack):
        return
    free = available_memory_mib()
    if free is not None and free < MEMORY_FREE_MIB:
        yield Finding(
            f"this machine has {free} MiB of memory available, and {MEMORY_FREE_MIB} MiB "
            "are needed",
            "stop something, or use a larger machine",
        )


def check_consensus(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[Finding]:
    """The consensus store has as many members as when it was born.

    A member that is added or missing has to be made known to the others one by one, which `up`
    does not do: it would start members that belong to no quorum.
    """
    wanted = settings.postgres.consensus_members
    born = _consensus_members(client, stack) if client is not None else None
    if born is not None and born != wanted:
        yield Finding(
            f"postgres.consensus_members is {wanted}, and stack {stack} was born with {born}",
            f"set it back to {born}: the number is fixed for the life of a stack",
        )


def _consensus_members(client: "docker.DockerClient", stack: str) -> int | None:
    """How many members the consensus store was told that it has; None when there is none."""
    labels = [f"{LABEL_STACK}={stack}", f"{LABEL_WORKLOAD}=etcd", f"{LABEL_ROLE}={ROLE_SERVER}"]
    for container in client.containers.list(
        all=True, filters={"label": labels}, ignore_removed=True
    ):
        for variable in container.attrs["Config"]["Env"]:
            if variable.startswith("ETCD_INITIAL_CLUSTER="):
                return len(variable.split(","))
    return None


CHECKS = {
    "consensus": check_consensus,
    "address": check_address,
    "ports": check_ports,
    "subnet": check_subnet,
    "disk": check_disk,
    "memory": check_memory,
}


def findings(
    client: "docker.DockerClient | None", stack: str, settings: StackSettings
) -> Iterator[tuple[str, Finding]]:
    """Everything that stands in the way, by the check's name."""
    for name, check in CHECKS.items():
        for finding in check(client, stack, settings):
            yield name, finding
