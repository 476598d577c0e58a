"""What the Kubernetes platform makes of a workload, and what it refuses."""

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pulumi
import pytest

from platforms.image_context import folders, project_name
from platforms.kubernetes import KubernetesPlatform
from platforms.workload import (
    Data,
    Outside,
    Peer,
    Port,
    Readiness,
    Scheduled,
    Segment,
    Workload,
)
from settings.errors import SettingsError
from settings.kubernetes import KubernetesSettings

ROOT = Path(__file__).resolve().parents[2]


def workload(**changes: Any) -> Workload:
    plain: dict[str, Any] = {
        "name": "thing",
        "ordinal": 5,
        "replicas": 3,
        "segments": (Segment.DATA,),
        "image": "redis",
        "memory_mib": 77,
        "cpus": 0.5,
    }
    return Workload(**{**plain, **changes})


@pytest.fixture
def rendered(recorder: Callable[..., Any]) -> Callable[..., Any]:
    """Runs workloads, or what makes them, on the platform, each after the one before:
    {kind/name: inputs}.
    """

    def run(*workloads: Any, **settings: Any) -> dict[str, Any]:
        def program() -> None:
            platform = KubernetesPlatform("shop", ROOT, KubernetesSettings(**settings))
            parent = pulumi.ComponentResource("test:index:Parent", "parent")
            after: tuple[pulumi.Resource, ...] = ()
            for each in workloads:
                each = each() if callable(each) else each
                after = platform.run(each, parent, after=after)

        return {
            f"{each.inputs['kind']}/{each.name}": each.inputs
            for each in recorder(program, stack="shop").requests
            if each.type.startswith("kubernetes:")
        }

    return run


def container(found: dict[str, Any], where: str = "StatefulSet/thing") -> Any:
    return found[where]["spec"]["template"]["spec"]["containers"][0]


def test_the_simplest_workload_is_a_set_of_pods_an_account_and_a_name(
    rendered: Callable[..., Any],
) -> None:
    assert rendered(workload(replicas=1)).keys() == {
        *("Namespace/selfmonitor-shop", "PriorityClass/selfmonitor-shop"),
        *("NetworkPolicy/default-deny", "NetworkPolicy/names"),
        *("ServiceAccount/thing", "Service/thing", "StatefulSet/thing"),
    }


def test_what_is_the_same_for_all_is_registered_once(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(), workload(name="next", ordinal=6))
    assert len([where for where in found if where.startswith("Namespace/")]) == 1


def test_arguments_and_variables_are_what_the_workload_says(rendered: Callable[..., Any]) -> None:
    """Kubernetes would put its own in place of $(HOME)."""
    found = rendered(
        workload(command=("/bin/run", "$(HOME)"), environment={"A": "$(HOME)", "B": "{member}:1"})
    )
    assert container(found)["args"] == ["/bin/run", "$$(HOME)"]
    values = {each["name"]: each.get("value") for each in container(found)["env"]}
    assert values["A"] == "$$(HOME)"
    assert values["B"] == "$(SELFMONITOR_MEMBER):1"


def test_a_jobs_member_is_known_by_its_own_name(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(replicas=1, runs_once=True, environment={"WHO": "{member}"}))
    assert container(found, "Job/thing")["env"] == [{"name": "WHO", "value": "thing-1"}]
    assert "Service/thing-1" not in found


def test_what_is_scheduled_has_no_volume_where_the_server_has_none(
    rendered: Callable[..., Any],
) -> None:
    found = rendered(
        workload(replicas=1, schedules=(Scheduled("daily", "1 2 * * *", ("/bin/x",), 60),))
    )
    pod = found["CronJob/thing-daily"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["volumes"] == []
    assert "affinity" not in pod


def test_whom_it_talks_to_outside_is_what_it_may_reach(rendered: Callable[..., Any]) -> None:
    store = Outside("the store", (443,), (IPv4Network("10.9.0.0/16"),))
    found = rendered(workload(replicas=1, outside=(store,)))
    assert found["NetworkPolicy/thing-out"]["spec"]["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    ]


def test_patience_is_how_long_one_waits_and_no_part_of_the_pod(
    rendered: Callable[..., Any],
) -> None:
    check = Readiness(("/bin/look",), meaning="something", within_seconds=70)
    usual = rendered(workload(readiness=check))
    patient = rendered(workload(readiness=check, patience_seconds=7200))
    assert usual == patient


def test_a_plain_file_of_unknown_content_is_refused(rendered: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"thing: a\.conf is made of values .* make it a secret"):
        rendered(lambda: workload(files={"a.conf": pulumi.Output.from_input("x")}))


def test_whom_a_workload_talks_to_must_be_in_a_segment_of_its_own(
    rendered: Callable[..., Any],
) -> None:
    far = Peer("far", 6, 1, (Segment.BACKUP,), (Port("x", 1),))
    for way in ("talks_to", "asks"):
        with pytest.raises(ValueError, match="thing shares no segment with far"):
            rendered(workload(**{way: (far,)}))


def test_a_peer_is_told_in_one_way(rendered: Callable[..., Any]) -> None:
    here = Peer("here", 6, 1, (Segment.DATA,), (Port("x", 1),))
    other = Peer("here", 6, 1, (Segment.DATA,), (Port("x", 2),))
    with pytest.raises(ValueError, match="here is told in two ways"):
        rendered(workload(talks_to=(here,)), workload(name="next", ordinal=7, talks_to=(other,)))


def test_a_name_too_long_for_a_cronjob_is_refused(rendered: Callable[..., Any]) -> None:
    long = Scheduled("x" * 50, "1 2 * * *", ("/bin/x",), 60)
    with pytest.raises(ValueError, match="a CronJob's name has at most 52 letters"):
        rendered(workload(schedules=(long,)))


@pytest.mark.parametrize("stack", ["Shop", "my_shop", "shop-", "x" * 60, "é"])
def test_a_stack_whose_name_cannot_be_one_there_is_refused(stack: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be a name on Kubernetes: .* rename the stack"):
        KubernetesPlatform(stack, ROOT, KubernetesSettings())


def test_what_is_pulled_is_pulled_by_digest_and_with_the_secret(
    rendered: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = "sha256:" + "ab" * 32
    monkeypatch.setattr(
        "platforms.image_reference.read_lock",
        lambda root: {
            each: {"name": project_name(root, each), "digest": digest} for each in folders(root)
        },
    )
    found = rendered(
        workload(), registry="registry.example.com/team", image_pull_secrets=("registry",)
    )
    pod = found["StatefulSet/thing"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert container(found)["image"] == f"registry.example.com/team/redis@{digest}"


def test_a_claim_is_never_smaller_than_its_template(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(data=Data("/x")))
    (template,) = found["StatefulSet/thing"]["spec"]["volumeClaimTemplates"]
    assert template["spec"] == found["PersistentVolumeClaim/data-thing-1"]["spec"]
