"""What the doctor says of a stack on Kubernetes: what to fill in, and what stands in the way."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli import doctor_kubernetes
from cli.doctor import doctor
from cli.doctor_kubernetes import ClusterFacts, examine_kubernetes
from cli.project import Project
from cli.result import Result
from settings.load import load
from settings.unfilled import unfilled

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"grows": True, "waits": True, "default": False}


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither its kubeconfig nor its credentials."""
    for name in (*doctor_kubernetes.AWS_VARIABLES, *doctor_kubernetes.AWS_FILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(doctor_kubernetes.shutil, "which", lambda name: None)

    def contexts() -> Any:
        return [{"name": "eu"}, {"name": "lab"}], {"name": "lab"}

    monkeypatch.setattr("kubernetes.config.list_kube_config_contexts", contexts)
    monkeypatch.setattr(
        doctor_kubernetes, "look", lambda context: ClusterFacts((1, 34), {"fast": GOOD})
    )


def examined(tmp_path: Path, **kubernetes: Any) -> dict[str, list[Result]]:
    """{check: its results} of a stack on Kubernetes."""
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\n")
    config = {"platform": "kubernetes", "kubernetes": {"storage_class": "fast", **kubernetes}}
    (tmp_path / "Pulumi.shop.yaml").write_text(yaml.safe_dump({"config": config}))
    project = Project(tmp_path, "shop")
    found: dict[str, list[Result]] = {}
    for each in examine_kubernetes(project, project.declared):
        found.setdefault(each.check, []).append(each)
    return found


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_every_value_to_fill_in_is_listed_with_its_meaning_and_how_to_find_it(stack: str) -> None:
    result = CliRunner().invoke(doctor, ["--stack", stack], obj=Project(ROOT, "local"))
    left = unfilled(load(ROOT, stack))
    assert len(left) == 13
    for each in left:
        assert f"✗ fill in        {each.key} is {each.value}: {each.meaning}\n" in result.output
        assert f"→ {each.how}\n" in result.output
    assert f"stack {stack} is well formed" in result.output
    # The exit status of the command line (cli/__main__.py) is what the command returns.
    assert doctor.main(["-s", stack], standalone_mode=False, obj=Project(ROOT, "local")) == 1


def test_where_all_is_well_nothing_is_to_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_kubernetes.shutil, "which", lambda name: f"/usr/bin/{name}")
    found = examined(tmp_path, context="eu")
    assert list(found) == ["fill in", "Pulumi CLI", "images", "cluster", "storage"]
    for results in found.values():
        for each in results:
            assert each.fine, each
    assert found["cluster"][0].found == "context eu, Kubernetes 1.34"


def test_without_the_pulumi_cli_it_says_where_to_get_it(tmp_path: Path) -> None:
    (result,) = examined(tmp_path)["Pulumi CLI"]
    assert result.found == "not installed, and it applies this stack"
    assert result.fix.startswith("https://www.pulumi.com/")


def test_images_that_nobody_pushed_name_the_command(tmp_path: Path) -> None:
    (tmp_path / "images" / "base").mkdir(parents=True)
    (result,) = examined(tmp_path, registry="registry.example.com/x")["images"]
    assert "there is no images.lock.json" in result.found
    assert result.fix == "./selfmonitor -s shop images push"
    (tmp_path / "images.lock.json").write_text(json.dumps({"images": {}}))
    (result,) = examined(tmp_path, registry="registry.example.com/x")["images"]
    assert result.fine
    (result,) = examined(tmp_path, registry="fill-in.invalid")["images"]
    assert result.found == "kubernetes.registry is to be filled in first"


def test_a_context_that_the_kubeconfig_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    (result,) = examined(tmp_path, context="prod")["cluster"]
    assert result.found == "kubernetes.context is prod, which the kubeconfig does not have"
    assert result.fix == "it has: eu, lab; set it to one, or add it"


def test_without_a_context_it_is_the_current_one(tmp_path: Path) -> None:
    assert examined(tmp_path)["cluster"][0].found == "context lab, Kubernetes 1.34"


def test_without_a_kubeconfig_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import ConfigException

    def none() -> Any:
        raise ConfigException("Invalid kube-config file. No configuration found.")

    monkeypatch.setattr("kubernetes.config.list_kube_config_contexts", none)
    found = examined(tmp_path)
    assert found["cluster"][0].found.startswith("no kubeconfig: Invalid kube-config file.")
    assert "storage" not in found


def test_an_api_server_that_does_not_answer_is_a_finding_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(context: str) -> ClusterFacts:
        raise OSError("connection refused\nby nobody")

    monkeypatch.setattr(doctor_kubernetes, "look", silent)
    (result,) = examined(tmp_path)["cluster"]
    assert result.found.endswith("context lab does not answer: connection refused by nobody")
    assert result.fix


def test_a_kubernetes_that_is_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = ClusterFacts((1, 30), {"fast": GOOD})
    monkeypatch.setattr(doctor_kubernetes, "look", lambda context: facts)
    (result,) = examined(tmp_path)["cluster"]
    assert result.fix == "upgrade it to 1.31 or newer"


@pytest.mark.parametrize(
    ("classes", "wanted", "found"),
    [
        ({"fast": GOOD}, "slow", "there is no StorageClass slow"),
        ({"fast": GOOD}, None, "no StorageClass is the default one"),
        ({"fast": {**GOOD, "grows": False}}, "fast", "does not let volumes grow"),
        ({"fast": {**GOOD, "waits": False}}, "fast", "before it is known where their pods will be"),
    ],
)
def test_a_storage_class_that_will_not_do_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: Any, wanted: Any, found: str
) -> None:
    monkeypatch.setattr(doctor_kubernetes, "look", lambda context: ClusterFacts((1, 34), classes))
    (result,) = examined(tmp_path, storage_class=wanted)["storage"]
    assert found in result.found
    assert result.fix


def test_the_default_storage_class_is_looked_at_when_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = ClusterFacts((1, 34), {"slow": GOOD, "fast": {**GOOD, "default": True}})
    monkeypatch.setattr(doctor_kubernetes, "look", lambda context: facts)
    (result,) = examined(tmp_path, storage_class=None)["storage"]
    assert (result.found, result.fine) == ("StorageClass fast", True)


def test_credentials_of_aws_are_looked_for_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not doctor_kubernetes._credentials().fine
    file = tmp_path / "home" / ".aws" / "credentials"
    file.parent.mkdir(parents=True)
    file.write_text("[default]\naws_secret_access_key = canary\n")
    result = doctor_kubernetes._credentials()
    assert (result.found, result.fine) == (f"credentials from {file}", True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary")
    assert doctor_kubernetes._credentials().found == "credentials by AWS_ACCESS_KEY_ID"
