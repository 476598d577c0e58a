"""What has to be done before a stack on Kubernetes can be applied: values, images, credentials."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli import before_up, kubernetes_doctor
from cli.doctor import doctor
from cli.project import Project
from cli.result import Result
from settings.load import load
from settings.unfilled import unfilled

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither its clusters nor its credentials."""
    for name in (*before_up.AWS_VARIABLES, *before_up.AWS_FILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        kubernetes_doctor, "open_on_kubernetes", lambda project: pytest.fail("a cluster was asked")
    )


def project(root: Path, **kubernetes: Any) -> Project:
    (root / "Pulumi.yaml").write_text("name: selfmonitor\n")
    config = {"platform": "kubernetes", "kubernetes": kubernetes}
    (root / "Pulumi.shop.yaml").write_text(yaml.safe_dump({"config": config}))
    return Project(root, "shop")


def storage_class(name: str, **more: Any) -> dict[str, Any]:
    good = {"volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True}
    return {"metadata": {"name": name}, **good, **more}


def default(found: dict[str, Any]) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {**found, "metadata": {**found["metadata"], "annotations": annotations}}


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_doctor_lists_every_value_to_fill_in_with_its_meaning_and_how_to_find_it(
    stack: str,
) -> None:
    result = CliRunner().invoke(doctor, ["--stack", stack], obj=Project(ROOT, "local"))
    left = unfilled(load(ROOT, stack))
    assert len(left) == 13
    for each in left:
        assert f"✗ fill in        {each.key} is {each.value}: {each.meaning}\n" in result.output
        assert f"→ {each.how}\n" in result.output
    assert f"stack {stack} is well formed" in result.output
    # What the command returns is the exit status of the command line (cli/__main__.py).
    assert doctor.main(["-s", stack], standalone_mode=False, obj=Project(ROOT, "local")) == 1


def test_where_nothing_is_left_the_doctor_says_so(tmp_path: Path) -> None:
    assert list(before_up.values(project(tmp_path).settings)) == [
        Result("fill in", "nothing is left")
    ]


def test_images_that_nobody_pushed_name_the_command(tmp_path: Path) -> None:
    (tmp_path / "images" / "base").mkdir(parents=True)
    registry = "registry.example.com/x"
    result = before_up.images(project(tmp_path, registry=registry))
    assert "there is no images.lock.json" in result.found
    assert result.fix == "./selfmonitor -s shop images push"
    (tmp_path / "images.lock.json").write_text(json.dumps({"images": {}}))
    assert before_up.images(project(tmp_path, registry=registry)).fine


def test_a_registry_that_is_to_be_filled_in_is_no_second_finding(tmp_path: Path) -> None:
    result = before_up.images(project(tmp_path, registry="fill-in.invalid"))
    assert (result.found, result.fine) == ("kubernetes.registry is to be filled in first", True)
    assert before_up.images(project(tmp_path)).found.startswith("no registry is named: ")


@pytest.mark.parametrize(
    ("classes", "wanted", "found"),
    [
        ([storage_class("fast")], "slow", "there is no StorageClass slow"),
        ([storage_class("fast")], None, "no StorageClass is the default one"),
        ([storage_class("fast", allowVolumeExpansion=None)], "fast", "does not let volumes grow"),
        (
            [storage_class("fast", volumeBindingMode="Immediate")],
            "fast",
            "makes volumes before it is known where their pods will be",
        ),
        ([], "fast", "there is no StorageClass fast"),
    ],
)
def test_a_storage_class_that_will_not_do_is_a_finding(
    classes: list[dict[str, Any]], wanted: str | None, found: str
) -> None:
    (result,) = before_up.storage(wanted, classes)
    assert found in result.found
    assert result.fix


def test_the_default_storage_class_is_looked_at_when_none_is_named() -> None:
    classes = [storage_class("slow"), default(storage_class("fast"))]
    assert list(before_up.storage(None, classes)) == [Result("storage", "StorageClass fast")]
    assert list(before_up.storage("slow", classes)) == [Result("storage", "StorageClass slow")]


def test_credentials_of_aws_are_looked_for_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(ROOT, "production")
    (result,) = before_up.credentials(settings)
    assert not result.fine
    file = tmp_path / "home" / ".aws" / "credentials"
    file.parent.mkdir(parents=True)
    file.write_text("[default]\naws_secret_access_key = canary\n")
    (result,) = before_up.credentials(settings)
    assert (result.found, result.fine) == (f"credentials from {file}", True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary")
    (result,) = before_up.credentials(settings)
    assert result.found == "credentials by AWS_ACCESS_KEY_ID"


def test_a_stack_that_makes_nothing_on_aws_needs_no_credentials(tmp_path: Path) -> None:
    assert list(before_up.credentials(project(tmp_path).settings)) == []
