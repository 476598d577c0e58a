"""A cluster over containers in memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cli.docker_cluster import DockerCluster
from cli.project import Project

NETWORK = "selfmonitor-local-cache"
OUTPUTS = {
    "postgres_endpoints": {
        "read_write": [{"host": "127.0.0.1", "port": 5432.0}],
        "read_only": [{"host": "127.0.0.1", "port": 5433.0}],
    },
    "postgres_passwords": {"user": "pa55"},
    "redis_endpoints": {
        "read_write": [{"host": "127.0.0.1", "port": port} for port in (6379.0, 6389.0)]
    },
    "redis_sentinels": [{"host": f"10.87.1.{n}", "port": 26379.0} for n in (96, 97, 98)],
    "redis_password": "s3cret",
    "backup_keys": {"repository": "r3po", "logical": "l0gical"},
}

Answer = Callable[[list[str]], tuple[int, str]]


@dataclass
class Container:
    """What docker-py offers of a container, as far as it is asked. answer: of a command."""

    member: str
    workload: str
    addresses: dict[str, str]
    state: str = "running"
    health: str = "healthy"
    ports: list[dict[str, int]] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    answer: Answer = lambda command: (0, "")
    gone: bool = False

    @property
    def labels(self) -> dict[str, str]:
        return {
            "io.selfmonitor.stack": "local",
            "io.selfmonitor.role": "server",
            "io.selfmonitor.member": self.member,
            "io.selfmonitor.workload": self.workload,
            "io.selfmonitor.addresses": json.dumps(self.addresses),
        }

    @property
    def attrs(self) -> dict[str, Any]:
        running = self.state == "running"
        return {
            "State": self.state,
            "Status": f"Up 5 minutes ({self.health})" if running else "Exited (137) 1 s ago",
            "Labels": self.labels,
            "Names": [f"/selfmonitor-local-{self.member}"],
            "Ports": self.ports,
            "Image": f"sha256:{self.workload}",
            "Config": {"StopTimeout": 60},
        }

    @property
    def status(self) -> str:
        return self.state

    def unpause(self) -> None:
        assert self.state == "paused"
        self.state = "running"

    def stop(self, timeout: int) -> None:
        assert self.state != "paused"
        self.asked.append(["stop", str(timeout)])
        self.state = "exited"

    def exec_run(self, command: list[str], *, demux: bool = False, stream: bool = False) -> Any:
        if self.gone:
            raise docker.errors.APIError("it is gone")
        self.asked.append(command)
        status, text = self.answer(command)
        said = text.encode()
        if stream:
            assert demux
            # As a follower's shell ends.
            pieces = iter([(said, None), (f"\nended {status}\n".encode(), None)])
            return SimpleNamespace(exit_code=None, output=pieces)
        return SimpleNamespace(exit_code=status, output=(said or None, None) if demux else said)


class Engine:
    """Lists them as the Docker Engine does."""

    def __init__(self, containers: dict[str, Container]) -> None:
        self.by_name = containers
        self.containers = SimpleNamespace(list=self._list)

    def _list(self, filters: dict[str, list[str]], **_: Any) -> list[Container]:
        wanted = [each.split("=", 1) for each in filters["label"]]
        return [
            container
            for container in self.by_name.values()
            if all(container.labels.get(key) == value for key, value in wanted)
        ]


@pytest.fixture
def containers() -> dict[str, Container]:
    """A whole stack, everybody well."""
    found = [
        *(Container(f"redis-{n}", "redis", {NETWORK: f"10.87.1.{79 + n}"}) for n in (1, 2, 3)),
        *(
            Container(f"sentinel-{n}", "sentinel", {NETWORK: f"10.87.1.{95 + n}"})
            for n in (1, 2, 3)
        ),
        *(Container(f"postgres-{n}", "postgres", {}) for n in (1, 2, 3)),
        *(Container(f"etcd-{n}", "etcd", {}) for n in (1, 2, 3)),
        Container("events-1", "events", {NETWORK: "10.87.1.112"}),
        *(
            Container(f"{name}-1", name, {})
            for name in ("vault", "vault-copy", "backup", "replication", "restore-test", "side")
        ),
        *(
            Container(
                f"router-{n}",
                "router",
                {NETWORK: f"10.87.1.{47 + n}"},
                ports=[{"PrivatePort": 6379, "PublicPort": 6369 + 10 * n}],
            )
            for n in (1, 2)
        ),
    ]
    return {each.member: each for each in found}


@pytest.fixture
def stack(containers: dict[str, Container], tmp_path: Path) -> DockerCluster:
    """A real Cluster over them, whose outputs are known already."""
    project = Project(tmp_path, "local")
    found = DockerCluster(project, Engine(containers))  # type: ignore[arg-type]
    found._connection = OUTPUTS
    return found
