"""What the Docker platform makes of a workload."""

import hashlib
import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pulumi
import pytest

from platforms.docker import DockerPlatform
from platforms.workload import Data, Peer, Port, Readiness, Segment, Workload

ROOT = Path(__file__).resolve().parents[2]


def workload(**changes: Any) -> Workload:
    plain: dict[str, Any] = {
        "name": "thing",
        "ordinal": 5,
        "replicas": 3,
        "segments": (Segment.DATA,),
        "image": "base",
        "memory_mib": 77,
        "cpus": 0.5,
    }
    return Workload(**{**plain, **changes})


@pytest.fixture
def rendered(recorder: Callable[..., Any]) -> Callable[..., Any]:
    """Runs workloads on the platform, each after the one before."""

    def run(*workloads: Workload) -> Any:
        def program() -> None:
            platform = DockerPlatform(
                "shop", ROOT, IPv4Network("10.50.0.0/16"), IPv4Address("127.0.0.5")
            )
            parent = pulumi.ComponentResource("test:index:Parent", "parent")
            after: tuple[pulumi.Resource, ...] = ()
            for each in workloads:
                after = platform.run(each, parent, after=after)

        return recorder(program, stack="shop")

    return run


def direct_dependencies(recording: Any, name: str) -> set[str]:
    urns = {each.urn: each.name for each in recording.requests}
    request = recording.named("Container", name)
    return {urns[urn] for urn in request.dependencies if urn in urns}


def labels(recording: Any, name: str) -> dict[str, str]:
    pairs = recording.named("Container", name).inputs["labels"]
    return {pair["label"]: pair["value"] for pair in pairs}


def test_a_member_is_known_by_its_own_name_everywhere(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(environment={"NAME": "{member}", "URL": "https://{member}:1"}))
    inputs = found.named("Container", "thing-2").inputs
    assert inputs["name"] == "selfmonitor-shop-thing-2"
    assert inputs["hostname"] == "thing-2"
    assert inputs["envs"] == ["NAME=thing-2", "URL=https://thing-2:1"]
    assert labels(found, "thing-2")["io.selfmonitor.member"] == "thing-2"
    assert labels(found, "thing-2")["io.selfmonitor.workload"] == "thing"


def test_limits_are_those_of_the_workload(rendered: Callable[..., Any]) -> None:
    inputs = rendered(workload(stop_grace_seconds=33)).named("Container", "thing-1").inputs
    assert (inputs["memory"], inputs["cpus"]) == (77, "0.5")
    assert inputs["stopTimeout"] == inputs["destroyGraceSeconds"] == 33


def test_what_is_in_the_background_has_a_smaller_share(rendered: Callable[..., Any]) -> None:
    inputs = rendered(workload(background=True)).named("Container", "thing-1").inputs
    assert inputs["cpuShares"] < 1024
    assert "cpuShares" not in rendered(workload()).named("Container", "thing-1").inputs


def test_one_at_a_time_makes_each_replica_wait_for_the_one_before(
    rendered: Callable[..., Any],
) -> None:
    found = rendered(workload(one_at_a_time=True))
    assert "thing-1" in direct_dependencies(found, "thing-2")
    assert "thing-2" in direct_dependencies(found, "thing-3")


def test_otherwise_replicas_do_not_wait_for_each_other(rendered: Callable[..., Any]) -> None:
    found = rendered(workload())
    assert not {"thing-1", "thing-2"} & direct_dependencies(found, "thing-3")


def test_each_replica_waits_for_its_own_files_and_for_all_that_comes_before(
    rendered: Callable[..., Any],
) -> None:
    found = rendered(workload(), workload(name="next", ordinal=6, replicas=1))
    before = direct_dependencies(found, "next-1")
    assert {"next-1-files", "thing-1", "thing-2", "thing-3"} <= before


def test_a_job_runs_once_and_is_waited_for(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(replicas=1, runs_once=True))
    inputs = found.named("Container", "thing-1").inputs
    assert inputs["restart"] == "no"
    assert (inputs["mustRun"], inputs["attach"]) == (False, True)
    assert labels(found, "thing-1")["io.selfmonitor.role"] == "job"


def test_a_server_is_started_again_when_it_ends(rendered: Callable[..., Any]) -> None:
    inputs = rendered(workload()).named("Container", "thing-1").inputs
    assert inputs["restart"] == "unless-stopped"
    assert inputs["mustRun"] is True


def test_a_server_without_a_readiness_check_is_not_waited_for(
    rendered: Callable[..., Any],
) -> None:
    inputs = rendered(workload()).named("Container", "thing-1").inputs
    assert not inputs["wait"]
    assert "healthcheck" not in inputs


def test_readiness_is_the_containers_health_check(rendered: Callable[..., Any]) -> None:
    check = Readiness(
        ("/bin/look", "-q"),
        meaning="something",
        interval_seconds=4,
        timeout_seconds=5,
        pause_seconds=20,
        failures=6,
        within_seconds=70,
    )
    found = rendered(workload(readiness=check))
    inputs = found.named("Container", "thing-1").inputs
    assert inputs["healthcheck"] == {
        "tests": ["CMD", "/usr/local/bin/paced-probe", "20", "/bin/look", "-q"],
        "interval": "4s",
        "timeout": "25s",
        "retries": 6,
        "startPeriod": "1m10s",
    }
    assert inputs["wait"] is True
    assert inputs["waitTimeout"] == 70
    assert labels(found, "thing-1")["io.selfmonitor.waits-for"] == "something"


def test_one_that_is_to_be_asked_without_a_pause_is_asked_itself(
    rendered: Callable[..., Any],
) -> None:
    check = Readiness(("/bin/look",), meaning="something", timeout_seconds=5, pause_seconds=0)
    found = rendered(workload(readiness=check)).named("Container", "thing-1").inputs["healthcheck"]
    assert (found["tests"], found["timeout"]) == (["CMD", "/bin/look"], "5s")


def test_patience_is_how_long_one_waits_and_no_part_of_the_health_check(
    rendered: Callable[..., Any],
) -> None:
    check = Readiness(("/bin/look",), meaning="something", within_seconds=70)
    usual = rendered(workload(readiness=check)).named("Container", "thing-1")
    patient = rendered(workload(readiness=check, patience_seconds=7200)).named(
        "Container", "thing-1"
    )
    assert {k for k in patient.raw if patient.raw[k] != usual.raw.get(k)} == {"waitTimeout"}
    assert patient.inputs["waitTimeout"] == 7200
    # Left alone, the provider gives up after 20 min.
    assert (usual.create_timeout, patient.create_timeout) == ("", "2h1m0s")


def test_a_job_that_may_take_long_says_so(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(replicas=1, runs_once=True, patience_seconds=1800))
    assert found.named("Container", "thing-1").inputs["waitTimeout"] == 1800
    assert found.named("Container", "thing-1").create_timeout == "31m0s"


def test_addresses_are_fixed_and_written_on_the_container(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(segments=(Segment.ACCESS, Segment.DATA)))
    networks = found.named("Container", "thing-2").inputs["networksAdvanced"]
    wanted = {"selfmonitor-shop-access": "10.50.4.81", "selfmonitor-shop-data": "10.50.0.81"}
    assert {n["name"]: n["ipv4Address"] for n in networks} == wanted
    assert json.loads(labels(found, "thing-2")["io.selfmonitor.addresses"]) == wanted


def test_a_member_finds_its_own_kind_and_whom_it_talks_to_and_nobody_else(
    rendered: Callable[..., Any],
) -> None:
    other = workload(name="other", ordinal=6, replicas=2)
    stranger = workload(name="stranger", ordinal=7, replicas=1)
    me = workload(replicas=2, talks_to=(other,), loopback_names=("me",))
    found = rendered(other, stranger, me)
    hosts = {h["host"]: h["ip"] for h in found.named("Container", "thing-1").inputs["hosts"]}
    assert hosts == {
        "me": "127.0.0.2",
        "other-1": "10.50.0.96",
        "other-2": "10.50.0.97",
        "thing-1": "10.50.0.80",
        "thing-2": "10.50.0.81",
    }


def test_whom_a_workload_talks_to_must_be_in_a_segment_of_its_own(
    rendered: Callable[..., Any],
) -> None:
    peer = Peer("far", 6, 1, (Segment.BACKUP,))
    with pytest.raises(ValueError, match="thing shares no segment with far"):
        rendered(workload(talks_to=(peer,)))


def test_ports_are_published_for_each_replica_on_the_stacks_address(
    rendered: Callable[..., Any],
) -> None:
    ports = (Port("in", 5432, (15432, 15442, 15452)), Port("inside", 8008))
    found = rendered(workload(segments=(Segment.ACCESS,), ports=ports))
    assert [found.named("Container", f"thing-{n}").inputs["ports"] for n in (1, 2, 3)] == [
        [{"internal": 5432, "external": port, "ip": "127.0.0.5", "protocol": "tcp"}]
        for port in (15432, 15442, 15452)
    ]


def test_data_has_a_volume_of_its_own_that_is_written_to(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(data=Data("/var/lib/thing")))
    mounts = found.named("Container", "thing-3").inputs["volumes"]
    assert {m["containerPath"]: (m["volumeName"], m["readOnly"]) for m in mounts} == {
        "/etc/selfmonitor": ("selfmonitor-shop-thing-3-files", True),
        "/var/lib/thing": ("selfmonitor-shop-thing-3-data", False),
    }
    roles = {
        volume.name: {p["label"]: p["value"] for p in volume.inputs["labels"]}[
            "io.selfmonitor.role"
        ]
        for volume in found.of("Volume")
    }
    assert roles["thing-3-data"] == "data"
    assert roles["thing-3-files"] == "files"


def test_scratch_space_is_bounded_and_the_users_own(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(scratch={"/run/x": 3}))
    assert found.named("Container", "thing-1").inputs["tmpfs"] == {
        "/run/x": "rw,noexec,nosuid,nodev,size=3m,mode=0700,uid=10001,gid=10001"
    }


def fingerprints(recording: Any) -> set[str]:
    return {labels(recording, f"thing-{n}")["io.selfmonitor.files"] for n in (1, 2, 3)}


def test_a_changed_file_replaces_every_replica_and_a_changed_secret_none(
    rendered: Callable[..., Any],
) -> None:
    first = rendered(workload(files={"a": "1"}, secret_files={"s": "x"}))
    other_file = rendered(workload(files={"a": "2"}, secret_files={"s": "x"}))
    other_secret = rendered(workload(files={"a": "1"}, secret_files={"s": "y"}))
    assert len(fingerprints(first)) == 1
    assert fingerprints(first) == fingerprints(other_secret) != fingerprints(other_file)


def test_the_fingerprint_tells_no_secret(rendered: Callable[..., Any]) -> None:
    """A hash of a short secret in a label could be guessed at."""
    found = rendered(workload(files={"a": "1"}, secret_files={"s": "pin 1234"}))
    plain = json.dumps({"a": "1"}, sort_keys=True).encode()
    assert fingerprints(found) == {hashlib.sha256(plain).hexdigest()[:16]}


def test_images_and_networks_are_registered_once_for_all(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(), workload(name="next", ordinal=6))
    assert len(found.of("RemoteImage")) == 1
    assert len(found.of("Network")) == 1


def test_an_image_waits_for_the_base_it_is_built_on(rendered: Callable[..., Any]) -> None:
    found = rendered(workload(image="etcd"))
    images = {each.name: each for each in found.of("RemoteImage")}
    assert images["etcd-image"].dependencies == (images["base-image"].urn,)
    assert all(each.inputs["keepLocally"] is True for each in images.values())


def test_a_networks_gateway_is_its_first_address(rendered: Callable[..., Any]) -> None:
    (network,) = rendered(workload()).of("Network")
    assert network.inputs["ipamConfigs"] == [{"subnet": "10.50.0.0/24", "gateway": "10.50.0.1"}]
