"""The whole program on Kubernetes, and what it registered as manifests."""

import base64
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SETTINGS = {
    "clients": [
        {"namespace_labels": {"kubernetes.io/metadata.name": "shop"}},
        {"network": "10.20.0.0/16"},
    ],
    "client_names": ["db.example.com"],
}
CONFIGURATION = {
    "selfmonitor:platform": "kubernetes",
    "selfmonitor:kubernetes": json.dumps(SETTINGS),
}


def whole(value: Any) -> Any:
    """Numbers as they were: the wire has floating ones alone."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Manifests:
    """What was registered, as Kubernetes would be sent it."""

    def __init__(self, recording: Any) -> None:
        self.recording = recording
        self.requests = [each for each in recording.requests if each.type.startswith("kubernetes:")]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(whole(each.inputs) for each in self.requests)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """{name: manifest} of a kind."""
        return {each["metadata"]["name"]: each for each in self if each["kind"] == kind}

    def one(self, kind: str, prefix: str) -> dict[str, Any]:
        """The one of a kind whose name begins so."""
        (found,) = [each for name, each in self.of(kind).items() if name.startswith(prefix)]
        return found

    def request(self, kind: str, prefix: str) -> Any:
        """The request of the one of a kind whose name begins so."""
        (found,) = [
            each
            for each in self.requests
            if each.inputs["kind"] == kind and each.inputs["metadata"]["name"].startswith(prefix)
        ]
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """{kind/name: pod template} of everything that makes pods."""
        found = {}
        for each in self:
            spec, where = each.get("spec", {}), f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] in ("StatefulSet", "Job"):
                found[where] = spec["template"]
            elif each["kind"] == "CronJob":
                found[where] = spec["jobTemplate"]["spec"]["template"]
        return found

    def server(self, workload: str) -> dict[str, Any]:
        """The pod's specification of a StatefulSet."""
        found: dict[str, Any] = self.of("StatefulSet")[workload]["spec"]["template"]["spec"]
        return found

    def file(self, workload: str, name: str) -> str:
        """The content of a file its pods get."""
        for kind, suffix in (("ConfigMap", "-files-"), ("Secret", "-secrets")):
            for where, each in self.of(kind).items():
                if where.startswith(workload + suffix) and name in each["data"]:
                    text: str = each["data"][name]
                    return base64.b64decode(text).decode() if kind == "Secret" else text
        raise AssertionError(f"{workload} gets no {name}")


@pytest.fixture(scope="session")
def on_kubernetes(run_program: Callable[..., Any]) -> Callable[..., Manifests]:
    """Runs the program on Kubernetes; settings are those of the stack file, by their keys."""

    def run(
        settings: dict[str, Any] | None = None, stack: str = "staging", **arguments: Any
    ) -> Manifests:
        given = {f"selfmonitor:{key}": json.dumps(each) for key, each in (settings or {}).items()}
        return Manifests(
            run_program(configuration={**CONFIGURATION, **given}, stack=stack, **arguments)
        )

    return run


@pytest.fixture(scope="session")
def cluster(on_kubernetes: Callable[..., Manifests]) -> Manifests:
    """A stack with every setting's default and two kinds of clients. Read only."""
    return on_kubernetes()


@pytest.fixture(scope="session")
def previewed(on_kubernetes: Callable[..., Manifests]) -> Manifests:
    """The same as a first preview runs it: no generated value is known. Read only."""
    return on_kubernetes(preview=True, values=lambda token, name, inputs: {})


@pytest.fixture(scope="session")
def again(on_kubernetes: Callable[..., Manifests], cluster: Manifests) -> Callable[..., Manifests]:
    """Runs the same stack again, with the values that were generated the first time."""
    before = cluster.recording.values

    def run(changed: dict[str, dict[str, Any]] | None = None, **arguments: Any) -> Manifests:
        return on_kubernetes(
            values=lambda token, name, inputs: {**before[name], **(changed or {}).get(name, {})},
            **arguments,
        )

    return run


@pytest.fixture(scope="session")
def pod_security() -> ModuleType:
    """The check of a pod's specification against what Pod Security restricted admits."""
    path = Path(__file__).with_name("pod_security.py")
    spec = importlib.util.spec_from_file_location("pod_security", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pod_security"] = module
    spec.loader.exec_module(module)
    return module
