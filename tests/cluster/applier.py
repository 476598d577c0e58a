"""Makes a stack's registrations real on a cluster, without the Pulumi CLI.

What Pulumi's provider for Kubernetes does, as far as this program uses it: server-side apply, and
waiting until what was applied works. Passwords, keys and certificates are those of standalone/.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import kubernetes
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, NotFoundError

from standalone.engine import Engine
from standalone.plan import Action, ApplyError, Change, Step, what_differs
from standalone.state import State

PROVIDER = "pulumi:providers:kubernetes"
FIELD_MANAGER = "selfmonitor-tests"
POLL_SECONDS = 0.5
# Far above what a cluster that works takes, images included.
PATIENCE_SECONDS = 900
TRIES = 5
LOG_LINES = 30
# What is waited for, in the provider's words; the rest is there once it is applied.
SKIPPED = "pulumi.com/skipAwait"


class Nothing:
    """The provider itself, which is nothing on a cluster."""

    kind = "provider"

    def title(self, inputs: Mapping[str, Any]) -> str:
        return "cluster"

    def change(self, inputs: Any, hashes: Any, recorded: Any) -> Change:
        return Change(Action.UNCHANGED)

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(inputs)

    def apply(self, inputs: Mapping[str, Any], *_: Any) -> dict[str, Any]:
        return dict(inputs)


class Objects:
    """Any object of Kubernetes."""

    kind = "object"

    def __init__(self, client: DynamicClient) -> None:
        self._client = client

    def title(self, inputs: Mapping[str, Any]) -> str:
        """Kind and name."""
        return f"{inputs['kind']}/{inputs['metadata']['name']}"

    def change(
        self, inputs: Mapping[str, Any], hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change:
        """By what was applied the last time."""
        if recorded is None or self.find(inputs) is None:
            return Change(Action.CREATE)
        if recorded == hashes:
            return Change(Action.UNCHANGED)
        return Change(Action.UPDATE, what_differs(recorded, hashes))

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing that the program reads is computed by a cluster."""
        return dict(inputs)

    def apply(
        self,
        inputs: Mapping[str, Any],
        hashes: dict[str, str],
        change: Change,
        progress: Callable[[str], None],
    ) -> dict[str, Any]:
        """Applies it and waits for it. Raises ApplyError."""
        if change.action is not Action.UNCHANGED:
            self.send(inputs)
        if inputs["metadata"].get("annotations", {}).get(SKIPPED) != "true":
            self.wait(inputs, progress)
        return dict(inputs)

    def send(self, manifest: Mapping[str, Any], **how: Any) -> Any:
        """Server-side apply. Raises ApplyError with the server's words."""
        for attempt in range(TRIES):
            try:
                return self._api(manifest).server_side_apply(
                    body=dict(manifest),
                    name=manifest["metadata"]["name"],
                    namespace=manifest["metadata"].get("namespace"),
                    field_manager=FIELD_MANAGER,
                    force_conflicts=True,
                    **how,
                )
            except ConflictError:
                if attempt + 1 == TRIES:
                    raise
                time.sleep(POLL_SECONDS)
            except DynamicApiError as error:
                raise ApplyError(f"{self.title(manifest)}: {error.summary()}") from None
        raise AssertionError("not reached")

    def find(self, manifest: Mapping[str, Any]) -> Any:
        """What is there of it, as a dictionary; None if nothing is."""
        try:
            found = self._api(manifest).get(
                name=manifest["metadata"]["name"], namespace=manifest["metadata"].get("namespace")
            )
        except NotFoundError:
            return None
        return found.to_dict()

    def _api(self, manifest: Mapping[str, Any]) -> Any:
        return self._client.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])

    def wait(
        self, manifest: Mapping[str, Any], progress: Callable[[str], None] = lambda _text: None
    ) -> None:
        """Until it works, or has ended well. Raises ApplyError."""
        check = {"StatefulSet": _replicas_ready, "Job": _done}.get(manifest["kind"])
        if check is None:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        word = "not there"
        while time.monotonic() < deadline:
            found = self.find(manifest)
            if found is not None:
                done, word = check(found)
                if done:
                    return
                progress(word)
                if word == "failed":
                    break
            time.sleep(POLL_SECONDS)
        raise ApplyError(f"{self.title(manifest)}: {word}", tuple(self._why(manifest)))

    def _why(self, manifest: Mapping[str, Any]) -> Iterator[str]:
        """The pods' states and last words."""
        if "spec" not in manifest:
            return
        core = kubernetes.client.CoreV1Api(self._client.client)
        namespace = manifest["metadata"]["namespace"]
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        for pod in core.list_namespaced_pod(namespace, label_selector=selector).items:
            yield f"{pod.metadata.name}: {pod.status.phase}"
            for condition in pod.status.conditions or ():
                if condition.status != "True":
                    yield f"  {condition.type}: {condition.message}"
            try:
                text = core.read_namespaced_pod_log(
                    pod.metadata.name, namespace, tail_lines=LOG_LINES
                )
            except ApiException as error:
                text = str(error.reason)
            yield from (f"  {line}" for line in text.splitlines())


def _replicas_ready(found: Mapping[str, Any]) -> tuple[bool, str]:
    wanted, status = found["spec"]["replicas"], found.get("status") or {}
    ready, updated = status.get("availableReplicas", 0), status.get("updatedReplicas", 0)
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    if found["spec"]["updateStrategy"]["type"] == "OnDelete":
        # Its pods are replaced by somebody else; the provider waits for nothing more either.
        return current and ready == wanted, f"{ready} of {wanted} ready"
    settled = status.get("currentRevision") == status.get("updateRevision")
    return (
        current and settled and ready == updated == wanted,
        f"{ready} of {wanted} ready, {updated} updated",
    )


def _done(found: Mapping[str, Any]) -> tuple[bool, str]:
    status = found.get("status") or {}
    if status.get("succeeded"):
        return True, "done"
    conditions = [each["type"] for each in status.get("conditions") or ()]
    return False, "failed" if "Failed" in conditions else "running"


class ClusterEngine(Engine):
    """standalone's engine with a cluster's objects for Docker's."""

    def __init__(
        self,
        client: DynamicClient,
        state: State,
        stack: str,
        *,
        report: Callable[[Step], None],
        progress: Callable[[str, str], None],
    ) -> None:
        super().__init__(None, state, stack, dry_run=False, report=report, progress=progress)
        self._handlers = _Handlers(client)

    def _prune(self) -> None:
        """A namespace of one's own is deleted as a whole."""


class _Handlers(dict[str, Any]):
    """One handler for every kind of Kubernetes, another for its provider."""

    def __init__(self, client: DynamicClient) -> None:
        super().__init__({PROVIDER: Nothing()})
        self._objects = Objects(client)

    def __contains__(self, token: object) -> bool:
        return super().__contains__(token) or str(token).startswith("kubernetes:")

    def __missing__(self, token: str) -> Any:
        return self._objects
