"""What a real API server says of every object the program registers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient

from standalone.plan import ApplyError
from tests.cluster.applier import Objects
from tests.cluster.running import ClusterStack
from tests.kubernetes.conftest import whole


@pytest.fixture(scope="module")
def objects(stack: ClusterStack) -> Objects:
    return Objects(DynamicClient(stack.api))


@pytest.fixture(scope="module")
def manifests(run_program: Callable[..., Any], stack: ClusterStack) -> list[dict[str, Any]]:
    """As a larger stack would have them, in the namespace that is there."""
    kubernetes = {
        "namespace": stack.namespace,
        "load_balancer": "internal",
        "storage_class": "fast",
        "clients": [{"namespace_labels": {"kubernetes.io/metadata.name": "shop"}}],
    }
    recording = run_program(
        configuration={
            "selfmonitor:platform": "kubernetes",
            "selfmonitor:kubernetes": json.dumps(kubernetes),
            "selfmonitor:postgres": json.dumps({"members": 5}),
        },
        stack="dryrun",
    )
    found = [each.inputs for each in recording.requests if each.type.startswith("kubernetes:")]
    # The controller's objects by names that are not there yet: some fields never change.
    return [
        whole({**each, "metadata": {**each["metadata"], "name": _other(each)}}) for each in found
    ]


def _other(manifest: dict[str, Any]) -> str:
    name = str(manifest["metadata"]["name"])
    return name if manifest["kind"] == "Namespace" else f"{name}-dry"


def test_the_server_takes_every_object_as_it_is(
    objects: Objects, manifests: list[dict[str, Any]]
) -> None:
    """A field that the server does not know is refused. Nothing is created."""
    assert {"StatefulSet", "NetworkPolicy", "CronJob"} <= {each["kind"] for each in manifests}
    refused = []
    for manifest in manifests:
        try:
            objects.send(manifest, dry_run="All")
        except ApplyError as error:
            refused.append(str(error))
    assert refused == []


def test_the_server_would_not_take_what_is_wrong(
    objects: Objects, manifests: list[dict[str, Any]]
) -> None:
    """The check can fail: by a field that there is not."""
    job = next(each for each in manifests if each["kind"] == "Job")
    unknown = {**job, "spec": {**job["spec"], "backofLimit": 3}}
    with pytest.raises(ApplyError, match="backofLimit"):
        objects.send(unknown, dry_run="All")


def test_a_second_up_changes_nothing(stack: ClusterStack) -> None:
    changed = [step for step in stack.up() if step.change.action.value != "unchanged"]
    assert changed == []


def test_no_pod_was_ever_restarted_by_the_platform(stack: ClusterStack) -> None:
    """Probes that fight a start would be seen here."""
    for name, pod in stack.servers().items():
        assert [each.restart_count for each in pod.status.container_statuses] == [0], name
