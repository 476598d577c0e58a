"""How a workload's files reach its pods on Kubernetes: a ConfigMap and a Secret."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from platforms.kubernetes_names import Place
from platforms.workload import Workload

# Of the hash of a ConfigMap's content in its name: as many as Kubernetes itself uses.
HASH_DIGITS = 10


@dataclass(frozen=True)
class FileObjects:
    """Names of the objects, and the objects; None where there is nothing to deliver."""

    config_map: str | None
    secret: str | None
    resources: tuple[pulumi.Resource, ...]

    def __bool__(self) -> bool:
        return bool(self.config_map or self.secret)


def content_hash(content: object) -> str:
    """A short hash of what can be written as JSON."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def deliver(workload: Workload, place: Place, opts: pulumi.ResourceOptions) -> FileObjects:
    """Registers them.

    The plain files' object is named after their content and never changes: a changed file is
    another object, and so another pod, while pods that are still to be replaced keep theirs. The
    secret files' object keeps its name: what changes in it reaches running pods, which reload.
    """
    resources: list[pulumi.Resource] = []
    config_map = secret = None
    if workload.files:
        files = _known(workload.name, workload.files)
        config_map = f"{workload.name}-files-{content_hash(files)}"
        resources.append(
            k8s.core.v1.ConfigMap(
                f"{workload.name}-files",
                metadata=place.metadata(config_map, workload.name),
                data=files,
                immutable=True,
                opts=opts,
            )
        )
    if workload.secret_files:
        secret = f"{workload.name}-secrets"
        resources.append(
            k8s.core.v1.Secret(
                f"{workload.name}-secrets",
                metadata=place.metadata(secret, workload.name),
                type="Opaque",
                # data and not stringData: what is taken out of that one stays in the object.
                data={name: _encoded(text) for name, text in sorted(workload.secret_files.items())},
                opts=opts,
            )
        )
    return FileObjects(config_map, secret, tuple(resources))


def _known(workload: str, files: Mapping[str, pulumi.Input[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in sorted(files.items()):
        if not isinstance(text, str):
            raise ValueError(
                f"{workload}: {name} is made of values that are not known before the resources "
                "are, and would replace every pod at each preview: make it a secret file"
            )
        found[name] = text
    return found


def _encoded(text: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.secret(text).apply(lambda value: base64.b64encode(value.encode()).decode())
