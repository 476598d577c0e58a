"""Work that is planned: an update, and a node that is emptied. Nothing acknowledged is lost, and
who writes is held up for a moment and not for an outage.
"""

import dataclasses
import time
from datetime import UTC, datetime
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient

from cli.drill import postgres_store, service
from cli.drill.result import RunResult
from cli.drill.service import Service
from cli.kubernetes_cluster import open_on_kubernetes
from platforms.kubernetes_names import LABEL_WORKLOAD
from standalone.plan import ApplyError
from tests.cluster.applier import Objects
from tests.cluster.planned import Pooled, while_writing
from tests.cluster.running import ClusterStack

# What is promised for a failure that nobody planned; a planned change has to stay far below it.
PROMISED_SECONDS = 30
# Of a whole set of replicas, or of one that has to be empty.
PATIENCE_SECONDS = 600
# kubectl's own annotation for a restart: another pod template, and so an update like any other.
RESTARTED = "kubectl.kubernetes.io/restartedAt"
TOO_MANY = 429
MOVED = ("router", "redis", "sentinel", "postgres")


@pytest.fixture(scope="module")
def postgres(stack: ClusterStack) -> Service:
    """Written to as by an application with a pool."""
    cluster = open_on_kubernetes(stack.project)
    connect = postgres_store.connector(cluster.conninfo())
    store = postgres_store.PostgresStore(lambda: Pooled(connect))
    store.create()
    return dataclasses.replace(service.postgres(cluster), store=store)


def show(result: RunResult) -> None:
    for path, found in result.paths.items():
        print(f"{result.kind}, {path}: {found.outage.seconds:.2f} s, {result.acked} acknowledged")
    print(f"{result.kind}: {result.lost} lost, {result.unknown} unknown; {dict(result.errors)}")


def held(result: RunResult) -> None:
    """What has to be so after any planned work."""
    show(result)
    assert result.failure is None
    assert result.recovered
    assert result.lost == 0
    # Nobody was told of anything: what was under way ended, what came after it waited.
    assert result.unknown == 0
    assert not result.errors
    assert max(found.outage.seconds for found in result.paths.values()) < PROMISED_SECONDS


def update(stack: ClusterStack, workload: str) -> None:
    """Replaces every pod of a workload, as a changed image does, and waits."""
    moment = datetime.now(UTC).isoformat()
    patch_template(stack, workload, {"metadata": {"annotations": {RESTARTED: moment}}})
    named = {"name": workload, "namespace": stack.namespace}
    Objects(DynamicClient(stack.api)).wait(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": named}
    )
    if workload == "postgres":
        replace_members(stack)


def patch_template(stack: ClusterStack, workload: str, template: dict[str, Any]) -> None:
    """Merges into the template of a workload's pods."""
    apps = kubernetes.client.AppsV1Api(stack.api)
    apps.patch_namespaced_stateful_set(workload, stack.namespace, {"spec": {"template": template}})


def replace_members(stack: ClusterStack, seconds: float | None = None) -> None:
    """Runs PostgreSQL's update job once more, and once. Raises ApplyError where it gives up.

    seconds: instead of the time it usually has.
    """
    batch = kubernetes.client.BatchV1Api(stack.api)
    jobs = batch.list_namespaced_job(
        stack.namespace, label_selector=f"{LABEL_WORKLOAD}=postgres-update"
    )
    template = jobs.items[0].spec.template
    # The controller's own, which name the job it was.
    template.metadata.labels = {
        key: value
        for key, value in template.metadata.labels.items()
        if not key.endswith(("controller-uid", "job-name"))
    }
    if seconds is not None:
        template.spec.containers[0].args[-1] = str(seconds)
    made = batch.create_namespaced_job(
        stack.namespace,
        kubernetes.client.V1Job(
            api_version="batch/v1",
            kind="Job",
            metadata=kubernetes.client.V1ObjectMeta(generate_name="postgres-update-again-"),
            spec=kubernetes.client.V1JobSpec(backoff_limit=0, template=template),
        ),
    )
    named = {"name": made.metadata.name, "namespace": stack.namespace}
    Objects(DynamicClient(stack.api)).wait(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": named}
    )


def evict(stack: ClusterStack, name: str) -> None:
    """As `kubectl drain` does: again and again while the disruption budget says no."""
    body = kubernetes.client.V1Eviction(
        metadata=kubernetes.client.V1ObjectMeta(name=name, namespace=stack.namespace)
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            stack.core.create_namespaced_pod_eviction(name, stack.namespace, body)
            return
        except ApiException as error:
            if error.status != TOO_MANY or time.monotonic() > deadline:
                raise
        time.sleep(1)


def identity(pod: Any) -> str:
    return str(pod.metadata.uid)


def drain(stack: ClusterStack) -> None:
    """Evicts what the writing depends on, pod by pod, and waits for each successor."""
    pods = {
        name: pod
        for name, pod in stack.servers().items()
        if pod.metadata.labels[LABEL_WORKLOAD] in MOVED
    }
    for name, pod in sorted(pods.items()):
        evict(stack, name)

        def is_back(name: str = name, before: str = identity(pod)) -> bool:
            now = stack.servers().get(name)
            return now is not None and identity(now) != before and ready(now)

        assert stack.within(PATIENCE_SECONDS, is_back), name


def ready(pod: Any) -> bool:
    return any(
        each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ()
    )


@pytest.mark.parametrize("workload", ["postgres", "router"])
def test_an_update_under_load_loses_nothing(
    stack: ClusterStack, postgres: Service, workload: str
) -> None:
    held(while_writing(postgres, f"update of {workload}", lambda: update(stack, workload)))


def test_an_update_that_does_not_start_takes_one_member_and_the_next_one_mends_it(
    stack: ClusterStack, postgres: Service
) -> None:
    broken = {"spec": {"containers": [{"name": "postgres", "args": ["/bin/false"]}]}}
    mended = {"spec": {"containers": [{"name": "postgres", "args": None}]}}
    patch_template(stack, "postgres", broken)
    try:
        with pytest.raises(ApplyError, match="failed"):
            replace_members(stack, seconds=40)
        members = [pod for name, pod in stack.servers().items() if name.startswith("postgres-")]
        assert sorted(map(ready, members)) == [False, True, True]
    finally:
        patch_template(stack, "postgres", mended)
    replace_members(stack)
    assert all(map(ready, stack.servers().values()))
    # And nobody who writes notices the next one.
    held(while_writing(postgres, "update after a broken one", lambda: update(stack, "postgres")))


def test_an_emptied_node_loses_nothing(stack: ClusterStack, postgres: Service) -> None:
    held(while_writing(postgres, "drain", lambda: drain(stack)))


def test_a_disruption_budget_lets_one_go_at_a_time(stack: ClusterStack) -> None:
    policy = kubernetes.client.PolicyV1Api(stack.api)
    for workload in MOVED:
        budget = policy.read_namespaced_pod_disruption_budget(workload, stack.namespace)
        assert budget.status.disruptions_allowed <= 1, workload
