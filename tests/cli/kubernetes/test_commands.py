"""Commands that bring a stack up, show what would be, and take it down; and what they refuse."""

import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import apply, doctor, kubernetes_doctor
from cli import up as up_module
from cli.console import Steps
from cli.errors import OperationFailed, UserError
from cli.kubernetes_api import Refused


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.host.docker_engine.connect", lambda: pytest.fail("Docker was asked"))


@pytest.fixture
def without_pulumi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def pulumi(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The Pulumi CLI's runs: their arguments."""
    runs: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        runs.append(command)
        return SimpleNamespace(returncode=0, stdout="{}", stderr="")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(apply.subprocess, "run", run)
    return runs


@pytest.fixture
def run(project: Any) -> Callable[..., Any]:
    """A command, e.g. "up"; its exception is raised."""

    def go(name: str, *arguments: str) -> Any:
        from cli.__main__ import Commands

        command = Commands().get_command(click.Context(click.Command("x")), name)
        assert command is not None
        return CliRunner().invoke(
            command, list(arguments), obj=project, catch_exceptions=False, standalone_mode=False
        )

    return go


@pytest.mark.usefixtures("without_pulumi")
@pytest.mark.parametrize("name", ["up", "down"])
def test_what_applies_the_stack_takes_the_pulumi_cli_and_says_so_in_one_line(
    run: Callable[..., Any], name: str
) -> None:
    with pytest.raises(
        UserError, match=r"shop runs on Kubernetes.*no pulumi on the PATH"
    ) as caught:
        run(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "instead"),
    [
        ("up", ["--from-backup"], "recovery: {source: vault}"),
        ("down", ["--volumes", "--yes"], "kubectl delete namespace"),
        ("restore", ["--to", "latest", "--into", "in-place", "--yes"], "restores beside"),
        ("restore", ["--forget-old-data", "--yes"], "restores beside"),
    ],
)
def test_what_makes_no_sense_there_is_refused_with_what_to_do_instead(
    run: Callable[..., Any], pulumi: list[Any], name: str, arguments: list[str], instead: str
) -> None:
    with pytest.raises(UserError, match="is for Docker, and stack shop runs on Kube") as caught:
        run(name, *arguments)
    assert instead in str(caught.value)
    assert "\n" not in str(caught.value)
    assert pulumi == []


def test_up_applies_waits_until_all_is_well_and_shows_where_to_connect(
    run: Callable[..., Any],
    cluster: Any,
    pulumi: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[Any] = []
    monkeypatch.setattr("cli.kubernetes_cluster.open_on_kubernetes", lambda project: cluster)
    monkeypatch.setattr(up_module, "open_cluster", lambda context: cluster)
    (cluster.project.root / "policy-config.json").write_text("{}")
    monkeypatch.setattr(up_module, "write_credentials", lambda project, by: None)
    monkeypatch.setattr(up_module, "wait_until_healthy", lambda c, steps: waited.append(c))
    said = run("up").output
    assert [command[1] for command in pulumi] == ["stack", "up"]
    assert waited == [cluster]
    assert "db.example.com:5432" in said
    assert "db.example.com:6379" in said


def test_down_stops_what_runs_and_nothing_that_holds_data_or_secrets(
    run: Callable[..., Any], pulumi: list[list[str]]
) -> None:
    assert "data and passwords are kept" in run("down").output
    destroy = pulumi[-1]
    targets = [destroy[n + 1] for n, word in enumerate(destroy) if word == "--target"]
    assert targets == [
        "**kubernetes:apps/v1:StatefulSet**",
        "**kubernetes:batch/v1:CronJob**",
        "**kubernetes:batch/v1:Job**",
    ]
    assert "--target-dependents" in destroy


def test_outputs_come_from_the_state_file_where_there_is_one(
    project: Any, pulumi: list[list[str]]
) -> None:
    assert apply.outputs_on_kubernetes(project)["redis_password"] == "s3cret"
    assert pulumi == []
    project.state_file.unlink()
    assert apply.outputs_on_kubernetes(project) == {}
    assert pulumi[-1][1:3] == ["stack", "output"]


def test_a_state_file_that_cannot_be_read_is_one_line(project: Any) -> None:
    project.state_file.write_text("{")
    with pytest.raises(UserError, match="the state file is corrupt"):
        apply.outputs_on_kubernetes(project)


def test_each_way_in_is_tried_as_it_is_reached_from_here(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    well = SimpleNamespace(healthy=True, members=())
    monkeypatch.setattr(cluster, "postgres_status", lambda: well)
    monkeypatch.setattr(cluster, "redis_status", lambda: well)
    monkeypatch.setattr(cluster._ways_in, "find", lambda workload, port: ("10.96.7.7", port + 1))
    monkeypatch.setattr(up_module, "_log_in", lambda cluster, way: tried.append(way))
    monkeypatch.setattr(up_module, "_ping", lambda cluster, port: tried.append(port))
    up_module.wait_until_healthy(cluster, Steps())
    assert tried == [
        {"host": "db.example.com", "hostaddr": "10.96.7.7", "port": "5433"},
        6380,
    ]


# Doctor.


def examined(project: Any) -> dict[str, Any]:
    return {each.check: each for each in doctor.examine(project)}


def test_the_doctor_finds_a_stack_that_is_up(
    project: Any, cluster: Any, api: Any, pulumi: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_doctor, "open_on_kubernetes", lambda project: cluster)
    found = examined(project)
    assert found["fill in"].found == "nothing is left"
    assert (found["cluster"].found, found["cluster"].fine) == ("v1.34.4", True)
    assert (found["storage"].found, found["storage"].fine) == ("StorageClass standard", True)
    assert found["state"].found == "readable"
    assert "postgres-1 unreachable" in found["stack"].found
    assert not found["stack"].fine
    api.objects.clear()
    assert examined(project)["stack"].found == "not up"


@pytest.mark.parametrize(
    ("version", "fine"),
    [
        ("v1.30.9", False),
        ("v1.31.0", True),
        ("v1.34.4-eks-abc", True),
        ("v2.0.0", True),
        ("?", False),
    ],
)
def test_the_doctor_wants_a_cluster_that_is_new_enough(
    project: Any, cluster: Any, api: Any, monkeypatch: pytest.MonkeyPatch, version: str, fine: bool
) -> None:
    monkeypatch.setattr(kubernetes_doctor, "open_on_kubernetes", lambda project: cluster)
    monkeypatch.setattr(api, "version", lambda: version)
    assert examined(project)["cluster"].fine is fine


def test_a_cluster_whose_storage_one_may_not_look_at_is_no_finding(
    project: Any, cluster: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> Any:
        raise Refused(403, "storageclasses is forbidden")

    monkeypatch.setattr(kubernetes_doctor, "open_on_kubernetes", lambda project: cluster)
    monkeypatch.setattr(api, "storage_classes", refused)
    result = examined(project)["storage"]
    assert result.found.endswith("storageclasses is forbidden")
    assert result.fine


@pytest.mark.usefixtures("without_pulumi")
def test_the_doctor_tells_what_is_missing_and_goes_no_further_without_a_cluster(
    project: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(project: Any) -> Any:
        raise UserError("no way to the Kubernetes cluster: set KUBECONFIG")

    monkeypatch.setattr(kubernetes_doctor, "open_on_kubernetes", nobody)
    found = examined(project)
    assert "pulumi.com" in found["Pulumi CLI"].fix
    assert "set KUBECONFIG" in found["cluster"].fix
    assert "stack" not in found

    def silent() -> str:
        raise OperationFailed("the API server does not answer")

    monkeypatch.setattr(kubernetes_doctor, "open_on_kubernetes", lambda project: cluster)
    monkeypatch.setattr(cluster, "version", silent)
    assert "does not answer" in examined(project)["cluster"].fix
