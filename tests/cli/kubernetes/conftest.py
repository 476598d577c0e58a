"""A cluster's API in memory: objects, their changes, and what controllers make of them."""

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.containers import CannotBeAsked
from cli.kubernetes_api import Refused
from cli.kubernetes_cluster import KubernetesCluster
from cli.project import Project
from standalone.state import State

NAMESPACE = "selfmonitor-shop"
WORKLOADS = {"postgres": 3, "redis": 3, "sentinel": 3, "router": 2, "side": 1, "events": 1}
OUTPUTS = {
    "postgres_endpoints": {
        "read_write": [{"host": "db.example.com", "port": 5432.0}],
        "read_only": [{"host": "db.example.com", "port": 5433.0}],
    },
    "postgres_passwords": {"user": "pa55"},
    "redis_endpoints": {"read_write": [{"host": "db.example.com", "port": 6379.0}]},
    "redis_sentinels": [{"host": f"sentinel-{n}", "port": 26379.0} for n in (1, 2, 3)],
    "redis_password": "s3cret",
    "ca_certificate": "CERTIFICATE OF THE AUTHORITY",
    "application_certificate": "CERTIFICATE",
    "application_key": "KEY",
}
STACK_FILE = """
config:
  selfmonitor:platform: kubernetes
  selfmonitor:kubernetes:
    context: shop-cluster
    client_names: [db.example.com]
"""

Answer = Callable[[list[str]], tuple[int, bytes, bytes]]


class Said:
    """A command that has run: what it said, and how it ended."""

    def __init__(self, status: int, out: bytes, complaint: bytes) -> None:
        self._status = status
        self._pieces = [(out or None, None), (None, complaint or None)]
        self.told: list[bytes] = []
        self.closed = False

    def send(self, data: bytes) -> None:
        self.told.append(data)

    def pieces(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        return iter([piece for piece in self._pieces if any(piece)])

    def said(self) -> Iterator[bytes]:
        for pieces in self.pieces():
            yield from (each for each in pieces if each)

    def status(self) -> int:
        return self._status

    def close(self) -> None:
        self.closed = True


def merged(target: Any, change: Any) -> Any:
    """RFC 7396."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@dataclass
class Api:
    """What KubernetesApi offers. `did`: every change, in order.

    answer: of a command in a pod. listening: addresses that pods' policies let them reach.
    """

    namespace: str = NAMESPACE
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    elsewhere: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    did: list[tuple[Any, ...]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    forwarded: Callable[[str, int], Any] | None = None
    # Looks at a pod after which a container that was killed is seen to be dead.
    seen_dead_after: int = 2
    looks: int = 0
    last: Said | None = None

    def add(self, kind: str, name: str, **manifest: Any) -> dict[str, Any]:
        manifest.setdefault("metadata", {})
        manifest["metadata"] |= {"name": name, "resourceVersion": "1"}
        self.objects[kind, name] = manifest
        return manifest

    def add_pod(self, name: str, workload: str) -> dict[str, Any]:
        number = next(self.numbers)
        return self.add(
            "pods",
            name,
            metadata={
                "uid": f"uid-{number}",
                "labels": labels(workload) | {"selfmonitor.io/network": "joined"},
            },
            spec={
                "terminationGracePeriodSeconds": 105,
                "containers": [{"name": workload, "ports": [{"containerPort": 5432}]}],
            },
            status={
                "phase": "Running",
                "podIP": f"10.244.0.{number}",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [
                    {"name": workload, "ready": True, "started": True, "state": {"running": {}}}
                ],
            },
        )

    # As KubernetesApi.

    def version(self) -> str:
        return "v1.34.4"

    def storage_classes(self) -> list[dict[str, Any]]:
        annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
        return [
            {
                "metadata": {"name": "standard", "annotations": annotations},
                "volumeBindingMode": "WaitForFirstConsumer",
                "allowVolumeExpansion": True,
            }
        ]

    def find_all(
        self, kind: str, wanted: dict[str, str], namespace: str | None = None
    ) -> list[dict[str, Any]]:
        there = (
            {name: each for (k, name), each in self.objects.items() if k == kind}
            if namespace is None
            else {
                n: each for (w, k, n), each in self.elsewhere.items() if (w, k) == (namespace, kind)
            }
        )
        return [
            copy.deepcopy(each)
            for each in there.values()
            if wanted.items() <= each["metadata"].get("labels", {}).items()
        ]

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        if namespace is not None:
            return copy.deepcopy(self.elsewhere.get((namespace, kind, name)))
        self.looks += 1
        found = self.objects.get((kind, name))
        if found and kind == "pods" and "deletionTimestamp" in found["metadata"]:
            self.seen_dead_after -= 1
            if self.seen_dead_after <= 0:
                found["status"]["containerStatuses"][0]["state"] = {"terminated": {}}
        return copy.deepcopy(found)

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> dict[str, Any] | None:
        self.did.append(("patch", name, copy.deepcopy(change)))
        before = self.objects.get((kind, name))
        if before is None:
            return None
        wanted = change.get("metadata", {}).pop("resourceVersion", None)
        if wanted not in (None, before["metadata"]["resourceVersion"]):
            raise Refused(409, "the object has been modified")
        after = merged(before, change)
        after["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
        if before.get("spec") != after.get("spec"):
            # Who changes a field owns it, and nobody else does.
            after["metadata"]["managedFields"] = [{"manager": "selfmonitor", "operation": "Update"}]
        self.objects[kind, name] = after
        self._settle(name)
        return copy.deepcopy(after)

    def delete(self, kind: str, name: str, grace_seconds: int | None = None) -> None:
        self.did.append(("delete", name, grace_seconds))
        found = self.objects.get((kind, name))
        if found is not None:
            found["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
            self._settle(name)

    def _settle(self, name: str) -> None:
        """What is to go and held by nobody goes, and the controller makes it anew."""
        found = self.objects.get(("pods", name))
        if found is None or "deletionTimestamp" not in found["metadata"]:
            return
        if not found["metadata"].get("finalizers"):
            self.add_pod(name, found["metadata"]["labels"]["app.kubernetes.io/name"])

    def execute(
        self, pod: str, container: str, command: Sequence[str], *, stdin: bool = False
    ) -> Said:
        assert container == pod.rpartition("-")[0]
        self.commands.append((pod, list(command)))
        self.did.append(("exec", pod, command[-1]))
        if pod in self.unreachable:
            raise CannotBeAsked("container not found")
        answer = self.answers.get(container, lambda command: (0, b"", b""))
        self.last = Said(*answer(list(command)))
        return self.last

    def log(self, pod: str, container: str, *, tail: int, follow: bool) -> Iterator[bytes]:
        yield f"{pod}/{container} {tail} {follow}\n".encode()

    def forward(self, pod: str, port: int) -> Any:
        assert self.forwarded is not None
        return self.forwarded(pod, port)


def labels(workload: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": "selfmonitor",
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/name": workload,
        "selfmonitor.io/kind": "server",
    }


@pytest.fixture
def api() -> Api:
    """A whole stack, everybody well."""
    found = Api()
    for workload, replicas in WORKLOADS.items():
        found.add(
            "statefulsets",
            workload,
            metadata={"labels": labels(workload)},
            spec={"replicas": replicas},
        )
        for number in range(1, replicas + 1):
            found.add_pod(f"{workload}-{number}", workload)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A stack that was brought up without the CLI, and has left its outputs."""
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\n")
    (tmp_path / "Pulumi.shop.yaml").write_text(STACK_FILE)
    found = Project(tmp_path, "shop")
    State(found.state_file, "selfmonitor", "shop").set_outputs(json.loads(json.dumps(OUTPUTS)))
    return found


@pytest.fixture
def cluster(project: Project, api: Api) -> KubernetesCluster:
    """A real KubernetesCluster over it."""
    return KubernetesCluster(project, api)  # type: ignore[arg-type]
