"""What is registered is what Kubernetes takes, and the same at every run."""

import copy
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_validate import utils

# StatefulSet ordinals and unhealthy eviction are stable in it, and every later one has to do.
OLDEST = "1.31"

pytestmark = pytest.mark.usefixtures("published_schemas")


def test_every_kind_of_object_is_there_as_often_as_there_is_a_need(cluster: Any) -> None:
    count: dict[str, int] = {}
    for each in cluster:
        count[each["kind"]] = count.get(each["kind"], 0) + 1
    assert count == {
        "Namespace": 1,
        "PriorityClass": 1,
        "ServiceAccount": 13,
        "Role": 2,
        "RoleBinding": 2,
        "ConfigMap": 12,
        "Secret": 12,
        # A member each of those with ports, one for each StatefulSet, two for clients.
        "Service": (3 + 3 + 3 + 2 + 1 + 1 + 1 + 1) + 11 + 2,
        "PersistentVolumeClaim": 3 + 3 + 3 + 7,
        "StatefulSet": 11,
        "PodDisruptionBudget": 4,
        "Job": 2,
        "CronJob": 5,
        "NetworkPolicy": 2 + 20 + 11 + 2,
    }


def test_every_object_is_what_the_published_schemas_say(cluster: Any) -> None:
    for version in (OLDEST, utils.latest_version()):
        for manifest in cluster:
            found = kubernetes_validate.validate(manifest, version, strict=True)
            assert version.startswith(found), "there is no schema of this very version"


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("StatefulSet", ("spec", "replicas"), "3"),
        ("StatefulSet", ("spec", "template", "spec", "containers", 0, "imge"), "x"),
        ("Service", ("spec", "ports", 0, "port"), None),
        ("NetworkPolicy", ("spec", "ingres"), []),
        ("CronJob", ("spec", "timezone"), "Etc/UTC"),
    ],
)
def test_the_check_sees_what_is_wrong(
    cluster: Any, kind: str, path: tuple[Any, ...], value: Any
) -> None:
    manifest = copy.deepcopy(next(iter(cluster.of(kind).values())))
    inner = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, OLDEST, strict=True)


def test_everything_is_in_the_stacks_namespace_and_bears_its_labels(cluster: Any) -> None:
    for each in cluster:
        metadata = each["metadata"]
        if each["kind"] not in ("Namespace", "PriorityClass"):
            assert metadata["namespace"] == "selfmonitor-staging", metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "selfmonitor"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "staging"


def test_no_name_is_too_long_and_none_is_given_twice(cluster: Any) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in cluster]
    assert len(names) == len(set(names))
    assert max(len(name) for _, name in names) <= 63


def test_nothing_is_deleted_with_the_stack_that_holds_data(cluster: Any) -> None:
    kept = {each.inputs["kind"] for each in cluster.requests if each.retained}
    assert kept == {"Namespace", "PersistentVolumeClaim"}
    for each in cluster.requests:
        assert each.retained is (each.inputs["kind"] in kept), each.name


def test_everything_comes_after_the_namespace_and_what_confines_it(cluster: Any) -> None:
    ground = {
        cluster.request("Namespace", "selfmonitor-staging").urn,
        cluster.request("NetworkPolicy", "default-deny").urn,
    }
    for each in cluster.requests:
        if each.inputs["kind"] not in ("Namespace", "PriorityClass", "NetworkPolicy"):
            assert ground <= set(each.dependencies), each.name


def test_one_provider_makes_everything_and_changes_secrets_in_place(
    on_kubernetes: Callable[..., Any],
) -> None:
    found = on_kubernetes(settings={"kubernetes": {"context": "staging-eu"}})
    (provider,) = [
        each for each in found.recording.requests if each.type.startswith("pulumi:providers:")
    ]
    assert provider.inputs == {"context": "staging-eu", "enableSecretMutable": "true"}
    for each in found.requests:
        assert each.provider.startswith(f"{provider.urn}::"), each.name


def test_pod_security_is_enforced_in_the_namespace(cluster: Any) -> None:
    labels = cluster.of("Namespace")["selfmonitor-staging"]["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


# One run after another.


def by_urn(manifests: Any) -> dict[str, Any]:
    return {each.urn: each for each in manifests.recording.requests}


def test_two_runs_with_the_same_values_register_the_same(
    cluster: Any, again: Callable[..., Any]
) -> None:
    first, second = by_urn(cluster), by_urn(again())
    assert first.keys() == second.keys()
    for urn, request in first.items():
        assert second[urn].raw == request.raw, urn
        assert second[urn].dependencies == request.dependencies, urn


def test_at_a_preview_only_secrets_are_unknown(cluster: Any, previewed: Any) -> None:
    """Anything else would show as a replacement that never happens."""
    first, second = by_urn(cluster), by_urn(previewed)
    assert first.keys() == second.keys()
    for each in cluster.requests:
        if each.inputs["kind"] != "Secret":
            assert second[each.urn].raw == each.raw, each.name


def changed(before: Any, after: Any) -> set[str]:
    first, second = by_urn(before), by_urn(after)
    assert first.keys() == second.keys()
    return {
        f"{each.inputs['kind']}/{each.name}"
        for each in before.requests
        if second[each.urn].raw != each.raw
    }


def test_a_renewed_certificate_changes_a_secret_and_no_pod(
    cluster: Any, again: Callable[..., Any]
) -> None:
    renewed = again({"router-certificate": {"certPem": "renewed\n"}})
    assert changed(cluster, renewed) == {"Secret/router-secrets"}


def test_a_changed_setting_is_another_file_for_another_pod(
    cluster: Any, again: Callable[..., Any]
) -> None:
    other = again(settings={"redis": {"failover": {"down_after_ms": 1500}}})
    assert changed(cluster, other) == {"ConfigMap/sentinel-files", "StatefulSet/sentinel"}
    before = cluster.one("ConfigMap", "sentinel-files-")
    after = other.one("ConfigMap", "sentinel-files-")
    assert before["metadata"]["name"] != after["metadata"]["name"]
    assert before["immutable"] is after["immutable"] is True


def test_a_volume_grows_and_nothing_else_is_changed(
    cluster: Any, again: Callable[..., Any]
) -> None:
    """A claim template cannot be changed: a StatefulSet would be replaced, with every member."""
    larger = again(settings={"postgres": {"volume_gib": 77}})
    assert changed(cluster, larger) == {
        f"PersistentVolumeClaim/data-postgres-{n}" for n in (1, 2, 3)
    }


def test_a_stack_that_begins_with_a_backup_differs_in_secrets_and_in_waiting(
    cluster: Any, on_kubernetes: Callable[..., Any]
) -> None:
    recovered = on_kubernetes(settings={"recovery": {"source": "copy"}})
    names = {
        each["metadata"]["name"].rpartition("-")[0] for each in recovered if each["kind"] == "Job"
    }
    assert names == {"postgres-update-1", "provision-1", "seed-1", "load-redis-1"}
    assert recovered.request("StatefulSet", "postgres").create_timeout == "21600s"
    assert cluster.request("StatefulSet", "postgres").create_timeout != "21600s"
    before, after = cluster.server("postgres"), recovered.server("postgres")
    assert before == after
