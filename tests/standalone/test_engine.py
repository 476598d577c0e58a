"""The applier: it creates, keeps, replaces, heals and prunes, and stops at the first failure."""

import datetime
import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from standalone import docker_objects
from standalone.engine import UnsupportedResource
from standalone.plan import Action, ApplyError, Change, property_hashes

ROOT = Path(__file__).resolve().parents[2]

EVERYTHING = {
    "network net": "create",
    "volume files": "create",
    "volume data": "create",
    "password password": "create",
    "container deliver": "create",
    "container server": "create",
}


@pytest.fixture
def up(bench: Any, small_program: Callable[..., None]) -> Any:
    """The small program, applied once; calls forgotten."""
    small_program()
    applied = bench.apply()
    assert applied.actions() == EVERYTHING
    bench.engine.calls.clear()
    return bench


def test_a_first_run_creates_everything_in_order(
    bench: Any, small_program: Callable[..., None]
) -> None:
    small_program()
    applied = bench.apply()
    assert applied.actions() == EVERYTHING
    calls = bench.engine.calls
    for earlier, later in (
        (("create volume", "files"), ("create", "deliver")),
        (("start", "deliver"), ("create", "server")),
        (("create network", "net"), ("create", "server")),
        (("create volume", "data"), ("create", "server")),
    ):
        assert calls.index(earlier) < calls.index(later)
    assert all(step.seconds is not None for step in applied.steps)


def test_a_second_run_changes_nothing(up: Any) -> None:
    before = up.state_file.read_bytes()
    applied = up.apply()
    assert applied.actions() == {}
    assert up.engine.calls == []
    assert up.state_file.read_bytes() == before
    assert {step.name for step in applied.steps} >= {"net", "files", "data", "deliver", "server"}


def test_a_container_is_made_as_declared(up: Any) -> None:
    server = up.engine.containers_by_name["server"]
    host = server.spec["host_config"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == host["MemorySwap"] == 64 * 1024**2
    assert host["NanoCpus"] == 1_500_000_000
    assert host["CpuShares"] == 256
    assert host["PortBindings"] == {"1/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2"}]}
    assert host["Binds"] == ["files:/etc/x:ro", "data:/data:rw"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert server.spec["user"] == "10001:10001"
    assert server.spec["hostname"] == "server"
    assert server.networks == {"net": "10.9.0.5"}
    assert server.spec["healthcheck"] == {
        "Test": ["CMD", "x"],
        "Interval": 3 * 10**9,
        "Timeout": 2 * 10**9,
        "Retries": 3,
        "StartPeriod": 9 * 10**9,
    }


def test_files_are_uploaded_as_declared_before_the_container_starts(up: Any) -> None:
    files = up.engine.containers_by_name["deliver"].files
    assert {name: info.mode for name, info in files.items()} == {
        "/staging/a.conf": 0o444,
        "/staging/secret": 0o444,
    }
    assert files["/staging/secret"].size == 16


# A plan.


def test_a_plan_changes_nothing_and_says_what_a_run_then_does(
    bench: Any, small_program: Callable[..., None]
) -> None:
    small_program()
    planned = bench.apply(dry_run=True)
    assert bench.engine.calls == []
    assert not bench.state_file.exists()
    assert all(step.seconds is None for step in planned.steps)
    assert planned.actions() == bench.apply().actions()


def test_a_plan_of_a_change_names_it_and_changes_nothing(
    up: Any, small_program: Callable[..., None]
) -> None:
    small_program(memory=65, server=True)
    before = up.state_file.read_bytes()
    assert up.apply(dry_run=True).actions() == {"container server": "replace: memory limit changed"}
    assert up.engine.calls == []
    assert up.state_file.read_bytes() == before


# Replacement.


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"memory": 65}, "memory limit changed"),
        ({"label": "v2"}, "configuration changed"),
        ({"memory": 65, "label": "v2"}, "configuration, memory limit changed"),
    ],
)
def test_what_is_declared_differently_is_replaced_with_the_reason(
    up: Any, small_program: Callable[..., None], change: dict[str, Any], reason: str
) -> None:
    small_program(**change)
    assert up.apply().actions() == {"container server": f"replace: {reason}"}
    assert up.engine.calls == [
        *(("stop", "server"), ("remove", "server"), ("create", "server"), ("start", "server"))
    ]
    assert up.apply().actions() == {}


def test_a_changed_file_is_delivered_again_and_the_server_is_left_alone(
    up: Any, small_program: Callable[..., None]
) -> None:
    small_program(text="a = 2")
    assert up.apply().actions() == {"container deliver": "replace: files changed"}
    assert ("stop", "server") not in up.engine.calls


def test_how_long_one_waits_for_a_server_is_no_part_of_it(
    up: Any, small_program: Callable[..., None]
) -> None:
    small_program(patience=7200)
    assert up.apply(dry_run=True).actions() == {}
    assert up.apply().actions() == {}
    assert up.engine.calls == []
    small_program(patience=1, memory=65)
    assert up.apply().actions() == {"container server": "replace: memory limit changed"}


def test_a_changed_network_takes_its_containers_along_and_they_come_back(
    up: Any, small_program: Callable[..., None]
) -> None:
    small_program(subnet="10.9.0.0/25")
    actions = up.apply().actions()
    assert actions["network net"] == "replace: addresses changed"
    assert actions["container server"] == "create"
    assert up.engine.containers_by_name["server"].status == "running"
    assert "volume data" not in actions


def test_without_a_state_of_it_a_difference_is_still_seen_by_its_label(
    up: Any, small_program: Callable[..., None]
) -> None:
    state = json.loads(up.state_file.read_text())
    state["resources"] = {
        urn: entry for urn, entry in state["resources"].items() if "Password" in urn
    }
    up.state_file.write_text(json.dumps(state))
    assert up.apply(dry_run=True).actions() == {}
    small_program(memory=65)
    assert up.apply().actions() == {"container server": "replace: declared differently"}


# Healing.


@pytest.mark.parametrize(
    ("status", "calls", "action"),
    [
        ("exited", [("start", "server")], "update: was stopped"),
        ("paused", [("unpause", "server")], "update: was paused"),
    ],
)
def test_a_server_that_was_stopped_or_paused_is_woken(
    up: Any, status: str, calls: list[tuple[str, str]], action: str
) -> None:
    up.engine.containers_by_name["server"].status = status
    assert up.apply().actions() == {"container server": action}
    assert up.engine.calls == calls
    assert up.engine.containers_by_name["server"].status == "running"


@pytest.mark.parametrize("status", ["created", "dead"])
@pytest.mark.parametrize("name", ["server", "deliver"])
def test_a_container_that_was_never_finished_is_made_anew(up: Any, name: str, status: str) -> None:
    up.engine.containers_by_name[name].status = status
    assert up.apply().actions()[f"container {name}"] == "replace: was never finished"
    assert ("remove", name) in up.engine.calls
    assert ("create", name) in up.engine.calls


def test_a_one_shot_that_had_failed_runs_again(up: Any) -> None:
    up.engine.containers_by_name["deliver"].exit_code = 1
    assert up.apply().actions() == {"container deliver": "replace: did not finish"}


def test_a_server_that_was_cut_off_is_put_back(up: Any) -> None:
    up.engine.containers_by_name["server"].networks.clear()
    assert up.apply().actions() == {"container server": "replace: was cut off from network net"}
    assert up.engine.containers_by_name["server"].networks == {"net": "10.9.0.5"}


def test_a_paused_server_that_must_be_replaced_is_woken_to_be_stopped(
    up: Any, small_program: Callable[..., None]
) -> None:
    up.engine.containers_by_name["server"].status = "paused"
    small_program(memory=65)
    up.apply()
    assert up.engine.calls[:3] == [("unpause", "server"), ("stop", "server"), ("remove", "server")]


def test_a_paused_server_on_a_network_that_must_be_replaced_is_no_obstacle(
    up: Any, small_program: Callable[..., None]
) -> None:
    up.engine.containers_by_name["server"].status = "paused"
    small_program(subnet="10.9.0.0/25")
    up.apply()
    assert up.engine.containers_by_name["server"].status == "running"


def test_a_container_that_is_gone_is_made_anew(up: Any) -> None:
    del up.engine.containers_by_name["server"]
    assert up.apply().actions() == {"container server": "create"}


def test_files_are_delivered_again_into_a_volume_that_is_new(up: Any) -> None:
    del up.engine.volumes_by_name["files"]
    actions = up.apply().actions()
    assert actions["volume files"] == "create"
    assert actions["container deliver"] == "replace: its volume is new"
    assert actions["container server"] == "replace: its volume is new"


def test_a_stack_that_lost_everything_is_made_anew_with_the_passwords_it_had(up: Any) -> None:
    """All but the state file: containers, networks, volumes."""
    before = up.state()
    up.engine.containers_by_name.clear()
    up.engine.volumes_by_name.clear()
    up.engine.networks_by_name.clear()
    applied = up.apply()
    everything = {name: each for name, each in EVERYTHING.items() if "password" not in name}
    assert applied.actions() == everything
    assert up.state().resources == before.resources
    assert applied.outputs == before.outputs


def test_a_volume_that_is_left_over_is_kept_beside_those_made_anew(up: Any) -> None:
    kept = up.engine.volumes_by_name["data"]
    up.engine.containers_by_name.clear()
    del up.engine.volumes_by_name["files"]
    up.apply()
    assert up.engine.volumes_by_name["data"] is kept


def test_a_volume_is_never_replaced_whatever_its_labels(up: Any) -> None:
    up.engine.volumes_by_name["data"].attrs["Labels"]["more"] = "x"
    assert up.apply().actions() == {}


# Pruning.


def test_what_is_no_longer_declared_is_removed_but_never_data(
    up: Any, small_program: Callable[..., None]
) -> None:
    up.write('pulumi.export("nothing", 1)')
    planned = up.apply(dry_run=True).actions()
    assert up.engine.calls == []
    actions = up.apply().actions()
    assert actions == planned
    assert actions == {
        f"{what}": "delete: no longer declared"
        for what in ("container deliver", "container server", "network net", "volume files")
    }
    assert up.engine.volumes_by_name.keys() == {"data"}
    assert up.engine.containers_by_name == {}
    assert up.engine.networks_by_name == {}
    assert up.state().resources == {}


def test_a_paused_container_that_is_no_longer_declared_is_removed_too(
    up: Any, small_program: Callable[..., None]
) -> None:
    up.engine.containers_by_name["server"].status = "paused"
    small_program(server=False)
    assert up.apply().actions() == {"container server": "delete: no longer declared"}


def test_another_stacks_things_are_left_alone(up: Any) -> None:
    labels = [each.labels for each in up.engine.containers_by_name.values()]
    for things in (up.engine.volumes_by_name, up.engine.networks_by_name):
        labels += [each.attrs["Labels"] for each in things.values()]
    assert len(labels) == 5
    for each in labels:
        each["io.selfmonitor.stack"] = "other"
    up.write("")
    assert up.apply().actions() == {}
    assert up.engine.calls == []


# Values.


def values(bench: Any) -> dict[str, dict[str, Any]]:
    """Kept outputs by resource name."""
    return {
        urn.rpartition("::")[2]: entry["outputs"]
        for urn, entry in bench.state().resources.items()
        if entry["outputs"]
    }


PASSWORD = (
    'p = random.RandomPassword("p", length={length}, special=False)\npulumi.export("p", p.result)'
)


def test_a_password_is_made_once_and_kept(bench: Any) -> None:
    bench.write(PASSWORD.format(length=16))
    first = bench.apply()
    second = bench.apply()
    assert len(first.outputs["p"]) == 16
    assert second.outputs == first.outputs
    assert second.actions() == {}


def test_a_password_declared_differently_is_replaced_with_the_reason(bench: Any) -> None:
    bench.write(PASSWORD.format(length=16))
    bench.apply()
    bench.write(PASSWORD.format(length=20))
    applied = bench.apply()
    assert applied.actions() == {"password p": "replace: length changed"}
    assert len(applied.outputs["p"]) == 20 == len(values(bench)["p"]["result"])


CERTIFICATE = """
key = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")
cert = tls.SelfSignedCert(
    "cert", private_key_pem=key.private_key_pem, allowed_uses=["cert_signing"],
    is_ca_certificate=True, validity_period_hours={hours}, early_renewal_hours={early},
    subject=tls.SelfSignedCertSubjectArgs(common_name="x"),
)
pulumi.export("cert", cert.cert_pem)
"""


def test_a_certificate_outside_its_window_is_kept(bench: Any) -> None:
    bench.write(CERTIFICATE.format(hours=48, early=47))
    first = bench.apply()
    assert bench.apply().actions() == {}
    assert bench.apply().outputs == first.outputs


def test_a_certificate_inside_its_window_is_renewed_with_the_same_key(bench: Any) -> None:
    bench.write(CERTIFICATE.format(hours=48, early=47))
    first = bench.apply()
    key = values(bench)["key"]
    state = json.loads(bench.state_file.read_text())
    (entry,) = [e for urn, e in state["resources"].items() if urn.endswith("::cert")]
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=46)
    entry["outputs"]["validityEndTime"] = end.isoformat()
    bench.state_file.write_text(json.dumps(state))
    applied = bench.apply()
    assert applied.actions() == {"certificate cert": f"replace: expires on {end:%Y-%m-%d}"}
    assert applied.outputs["cert"] != first.outputs["cert"]
    assert values(bench)["key"] == key


def test_a_certificate_declared_differently_is_replaced(bench: Any) -> None:
    bench.write(CERTIFICATE.format(hours=48, early=0))
    bench.apply()
    bench.write(CERTIFICATE.format(hours=96, early=0))
    assert bench.apply().actions() == {"certificate cert": "replace: validity changed"}


def test_a_password_is_on_disk_before_anything_is_made_with_it(
    bench: Any, small_program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_program()
    kept: list[bool] = []
    create = bench.engine.api.create_container

    def look_first(**arguments: Any) -> Any:
        kept.append("password" in values(bench))
        return create(**arguments)

    monkeypatch.setattr(bench.engine.api, "create_container", look_first)
    bench.apply()
    assert kept == [True, True]


def test_a_run_that_failed_kept_its_passwords_for_the_next(
    bench: Any, small_program: Callable[..., None]
) -> None:
    small_program()
    bench.engine.exit_codes["deliver"] = 1
    with pytest.raises(ApplyError):
        bench.apply()
    made = values(bench)["password"]["result"]
    bench.engine.exit_codes.clear()
    applied = bench.apply()
    assert applied.outputs["password"] == made
    assert applied.actions()["container deliver"] == "replace: did not finish"


def test_the_outputs_of_a_run_are_kept_in_plain_for_the_commands(up: Any) -> None:
    assert up.state().outputs == {"password": values(up)["password"]["result"], "port": 5432}


def test_the_state_keeps_hashes_of_what_was_declared_and_no_value_of_it(up: Any) -> None:
    content = json.loads(up.state_file.read_text())
    password = values(up)["password"]["result"]
    for urn, entry in content["resources"].items():
        assert all(len(digest) == 32 for digest in entry["inputs"].values())
        if not urn.endswith("::password"):
            assert password not in json.dumps(entry)
            assert entry["outputs"] == {}
    assert "a = 1" not in up.state_file.read_text()


def test_a_property_that_is_not_given_is_the_same_as_one_that_is_empty() -> None:
    assert property_hashes({"a": 1, "b": None}) == property_hashes({"a": 1})
    assert property_hashes({"a": 1}) != property_hashes({"a": 2})


def test_a_hash_of_a_password_is_no_plain_hash_of_it(up: Any) -> None:
    """The label and the state of an upload do not let a short secret be looked up in a table."""
    password = values(up)["password"]["result"]
    plain = {hashlib.sha256(text.encode()).hexdigest()[:32] for text in (password, f'"{password}"')}
    for entry in up.state().resources.values():
        assert not plain & set(entry["inputs"].values())


# Failure.


def test_a_one_shot_that_fails_is_named_with_its_last_lines_and_stops_what_comes_after(
    bench: Any, small_program: Callable[..., None]
) -> None:
    small_program()
    bench.engine.exit_codes["deliver"] = 3
    with pytest.raises(ApplyError) as caught:
        bench.apply()
    assert str(caught.value) == "deliver failed (exit status 3)"
    assert caught.value.details == ("first line", "last word of deliver")
    assert "server" not in bench.engine.containers_by_name
    assert not [step for step in bench.steps if step.name == "deliver"]


def test_a_server_that_does_not_become_healthy_says_for_what_it_waited(
    bench: Any, small_program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_program()
    bench.engine.health["server"] = "starting"
    with pytest.raises(ApplyError) as caught:
        bench.apply()
    assert str(caught.value) == (
        "server does not become healthy: waited for a miracle; not ready after 1 s"
    )
    assert caught.value.details == (
        *("first line", "last word of server", "readiness check: probe says no"),
    )


def test_a_server_that_ends_again_and_again_is_given_up_before_its_time(
    bench: Any, small_program: Callable[..., None]
) -> None:
    small_program()
    bench.engine.health["server"] = "starting"
    bench.engine.restarts["server"] = docker_objects.RESTARTS_IN_VAIN
    bench.engine.exit_codes["server"] = 78
    with pytest.raises(ApplyError, match="it ended 8 times, last with exit status 78") as caught:
        bench.apply()
    # Why it ended is in what it said before it was started again.
    assert caught.value.details == (
        *("first line", "why server ended before 1795451535.586427", "— started again —"),
        *("first line", "last word of server", "readiness check: probe says no"),
    )


@pytest.mark.parametrize(("given", "seconds"), [({}, 300), ({"waitTimeout": 7200}, 7200)])
def test_a_job_that_does_not_end_is_given_up_after_its_time(
    given: dict[str, Any], seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def sleep(_seconds: float) -> None:
        now[0] += 50

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(docker_objects, "time", clock)
    running = SimpleNamespace(status="running", logs=lambda **_: b"filling")
    client: Any = SimpleNamespace(containers=SimpleNamespace(get=lambda name: running))
    job = docker_objects.Containers(client)
    with pytest.raises(ApplyError) as caught:
        job.apply(
            {"name": "seed", "mustRun": False, **given},
            {},
            Change(Action.UNCHANGED),
            lambda text: None,
        )
    assert str(caught.value) == f"seed is not done after {seconds} s"
    assert caught.value.details == ("filling",)
    assert seconds < now[0] <= seconds + 50


def test_while_it_waits_it_says_for_what(bench: Any, small_program: Callable[..., None]) -> None:
    small_program()
    assert ("server", "waiting for a miracle") in bench.apply().progress


IMAGE = """
image = docker.RemoteImage(
    "image", name="thing:1", build=docker.RemoteImageBuildArgs(context="./thing"),
)
later = docker.Volume("later", name="later", opts=pulumi.ResourceOptions(depends_on=[image]))
pulumi.export("id", image.image_id)
"""


def test_what_may_take_long_says_how_far_it_is(
    bench: Any, small_program: Callable[..., None]
) -> None:
    """A server that restores: the last line of its log."""
    looks = iter(["starting"] * 5 + ["healthy"] * 100)

    class Slowly(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            return next(looks)

    bench.engine.health = Slowly()
    small_program(patience=3600)
    told = ("server", "waiting for a miracle: last word of server")
    assert told in bench.apply().progress


def test_an_image_is_built_once_from_the_programs_folder(bench: Any) -> None:
    bench.write(IMAGE)
    (bench.root / "thing").mkdir()
    (bench.root / "thing" / "Dockerfile").write_text("FROM scratch\n")
    before = Path.cwd()
    assert bench.apply().outputs == {"id": "sha256:thing:1"}
    assert bench.apply().actions() == {}
    assert bench.engine.calls.count(("build", "thing:1")) == 1
    assert Path.cwd() == before


def test_an_image_that_does_not_build_shows_the_end_of_its_output_and_stops_the_rest(
    bench: Any,
) -> None:
    bench.write(IMAGE)
    (bench.root / "thing").mkdir()
    (bench.root / "thing" / "Dockerfile").write_text("FROM scratch\n")
    bench.engine.build_error = "returned a non-zero code: 100\n"
    with pytest.raises(ApplyError) as caught:
        bench.apply()
    assert str(caught.value) == "image thing:1 does not build: returned a non-zero code: 100"
    assert caught.value.details == ("Step 1/1 : FROM scratch",)
    assert bench.engine.volumes_by_name == {}


def test_after_a_failure_nothing_that_is_there_is_removed(
    up: Any, small_program: Callable[..., None]
) -> None:
    small_program(text="a = 2", server=False)
    up.engine.exit_codes["deliver"] = 1
    with pytest.raises(ApplyError):
        up.apply()
    assert up.engine.containers_by_name["server"].status == "running"


def test_an_interrupt_that_is_swallowed_on_its_way_still_ends_the_run(bench: Any) -> None:
    bench.write(
        """
import contextlib, os, signal

with contextlib.suppress(BaseException):
    os.kill(os.getpid(), signal.SIGINT)
docker.Network("late", name="late", driver="bridge")
"""
    )
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        bench.apply()
    assert bench.engine.calls == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (
            'random.RandomPet("pet")',
            "pet: resource type random:index/randomPet:RandomPet needs the Pulumi engine",
        ),
        (
            'docker.Tag("t", source_image="a", target_image="b")',
            "t: resource type docker:index/tag:Tag needs the Pulumi engine",
        ),
        (
            "pulumi.export('i', docker.get_network(name='n').id)",
            "a provider function: resource type docker:index/getNetwork:getNetwork needs",
        ),
    ],
)
def test_a_resource_it_does_not_know_is_refused_by_name_and_points_to_the_pulumi_cli(
    bench: Any, text: str, token: str
) -> None:
    bench.write(text)
    with pytest.raises(UnsupportedResource) as caught:
        bench.apply()
    assert str(caught.value).startswith(token)
    assert "https://www.pulumi.com/docs/install/" in str(caught.value)
    assert bench.engine.calls == []


def test_a_program_that_refuses_its_settings_is_heard_as_it_said(bench: Any) -> None:
    bench.write('raise pulumi.RunError("subnet: is wrong")')
    with pytest.raises(pulumi.RunError, match=r"^subnet: is wrong$"):
        bench.apply()


# The project's own program.


def test_the_whole_stack_is_created_once_and_then_left_alone(bench: Any) -> None:
    first = bench.apply(root=ROOT)
    kinds = [step.kind for step in first.steps]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "image": 8,
        "network": 6,
        "volume": 41,
        "password": 23,
        "key": 17,
        "request": 15,
        "certificate": 17,
        "container": 44,
    }
    bench.engine.calls.clear()
    again = bench.apply(root=ROOT)
    assert again.actions() == {}
    assert bench.engine.calls == []
    assert again.outputs == first.outputs
    assert bench.apply(root=ROOT, dry_run=True).actions() == {}
