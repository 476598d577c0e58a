"""The whole program on Kubernetes, and what it registered as manifests."""

import base64
import functools
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kubernetes_validate import utils

from platforms.image_context import folders, project_name
from settings.load import engine_configuration

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "ab" * 32
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


@pytest.fixture(scope="session")
def published_schemas() -> Iterator[None]:
    """kubernetes-validate reads each, of several MB, once and not anew for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


def aws_answers(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Ids and ARNs, as AWS would make them."""
    if not token.startswith("aws:"):
        return name, inputs
    kind = token.rpartition(":")[2]
    arn = f"arn:aws:{kind.lower()}:{inputs.get('region', '')}:123456789012:{name}"
    return name, {**inputs, "arn": arn, "keyId": name}


@dataclass(frozen=True)
class Ran:
    """A stack file, run. seconds: how long that took."""

    manifests: Manifests
    seconds: float


def _filled(text: str) -> str:
    """Everything that is to be filled in, filled in."""
    for marked, own in (
        ("fill-in", "acme"),
        ("FILL-IN", "EXAMPLED539D4633E53DE1B71EXAMPLE"),
        ("000000000000", "123456789012"),
        ("192.0.2.", "10.20.30."),
    ):
        text = text.replace(marked, own)
    return text


@pytest.fixture(scope="session")
def run_stack(run_program: Callable[..., Any]) -> Callable[..., Ran]:
    """Runs the stack file of a name: as it is shipped, at a first preview; or filled in, at an up
    whose images were pushed. Each once. Read only.
    """

    @functools.cache
    def run(stack: str, *, filled: bool) -> Ran:
        configuration = engine_configuration(ROOT, ROOT / f"Pulumi.{stack}.yaml")
        arguments: dict[str, Any] = {"preview": True, "values": lambda token, name, inputs: {}}
        if filled:
            configuration = {key: _filled(text) for key, text in configuration.items()}
            arguments = {"answers": aws_answers}
        begun = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            if filled:
                patch.setattr("platforms.image_reference.read_lock", _pushed)
            recording = run_program(configuration=configuration, stack=stack, **arguments)
        return Ran(Manifests(recording), time.monotonic() - begun)

    return run


def _pushed(root: Path) -> Mapping[str, Any]:
    return {each: {"name": project_name(root, each), "digest": DIGEST} for each in folders(root)}
