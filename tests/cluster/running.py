"""A stack on a cluster, brought up by the tests and taken down by them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.stream import stream

from cli.project import PROJECT, ROOT, Project
from platforms.kubernetes_names import KIND_SERVER, LABEL_KIND, LABEL_STACK
from standalone.plan import Step
from standalone.state import State
from tests.cluster.applier import ClusterEngine

STACK = "clustertest"
GONE_SECONDS = 180


def configuration(api: kubernetes.client.ApiClient) -> dict[str, Any]:
    """The stack file's content: small, on one node if need be, and open to the nodes themselves."""
    nodes = kubernetes.client.CoreV1Api(api).list_node().items
    networks = []
    for node in nodes:
        networks += [
            f"{each.address}/32" for each in node.status.addresses if each.type == "InternalIP"
        ]
        if node.spec.pod_cidr:
            # What a node itself sends to a pod comes from the first address of its network.
            network, _, _ = node.spec.pod_cidr.partition("/")
            networks.append(network.rpartition(".")[0] + ".1/32")
    return {
        "platform": "kubernetes",
        "kubernetes": {
            "spread": "required" if len(nodes) >= 3 else "preferred",
            "cpu_request_share": 0.02,
            "load_balancer": "none",
            "clients": [{"network": each} for each in networks],
        },
        "backup": {"vault": {"volume_gib": 10}, "volume_gib": 5},
        "postgres": {"volume_gib": 10},
        "redis": {"volume_gib": 2},
    }


class ClusterStack:
    """What runs in the namespace of `STACK`."""

    def __init__(self, api: kubernetes.client.ApiClient, folder: Path) -> None:
        self.api = api
        self.core = kubernetes.client.CoreV1Api(api)
        self.namespace = f"selfmonitor-{STACK}"
        self.file = folder / f"Pulumi.{STACK}.yaml"
        found = {f"{PROJECT}:{key}": each for key, each in configuration(api).items()}
        self.file.write_text(yaml.safe_dump({"config": found}), encoding="utf-8")
        self.project = Project(ROOT, STACK, self.file)
        self.steps: list[Step] = []

    def up(self, say: Callable[[str], None] = lambda _line: None) -> list[Step]:
        """Applies the program; returns what was done. Raises ApplyError."""
        done: list[Step] = []

        def report(step: Step) -> None:
            done.append(step)
            say(f"{step.change.action.value} {step.kind} {step.name} {step.seconds or 0:.1f} s")

        with self.project.lock():
            state = State(self.project.state_file, PROJECT, STACK)
            state.begin()
            engine = ClusterEngine(
                DynamicClient(self.api),
                state,
                STACK,
                report=report,
                progress=lambda _name, _text: None,
            )
            engine.run(ROOT, self.project.configuration, PROJECT)
        return done

    def down(self) -> None:
        """Deletes everything, data included, and waits until it is gone."""
        scheduling = kubernetes.client.SchedulingV1Api(self.api)
        for delete in (
            lambda: self.core.delete_namespace(self.namespace),
            lambda: scheduling.delete_priority_class(self.namespace),
        ):
            try:
                delete()
            except ApiException as error:
                if error.status != 404:
                    raise
        deadline = time.monotonic() + GONE_SECONDS
        while self._is_there():
            if time.monotonic() > deadline:
                raise TimeoutError(f"namespace {self.namespace} is still there")
            time.sleep(1)
        if self.project.directory.exists():
            self.project.forget()

    def servers(self) -> dict[str, Any]:
        """{name: pod} of all that serve."""
        selector = f"{LABEL_STACK}={STACK},{LABEL_KIND}={KIND_SERVER}"
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return {each.metadata.name: each for each in found}

    def execute(self, pod: str, command: list[str]) -> str:
        """What a command in the pod's container writes, its errors too."""
        # A client of its own: stream() takes the client's way of calling over while it runs.
        core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config())
        return str(
            stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                self.namespace,
                command=command,
                stderr=True,
                stdin=False,
                stdout=True,
                tty=False,
            )
        )

    def label(self, pod: str, labels: dict[str, str | None]) -> None:
        """Gives labels to a pod, or takes those away that are None."""
        self.core.patch_namespaced_pod(pod, self.namespace, {"metadata": {"labels": labels}})

    @staticmethod
    def within(seconds: float, holds: Callable[[], bool]) -> bool:
        """Whether it holds before so many seconds are over."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _is_there(self) -> bool:
        try:
            self.core.read_namespace(self.namespace)
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return True
