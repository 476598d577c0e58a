"""What a program would register, without anybody who could make it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format

from standalone.declared import declare

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = {
    "selfmonitor:platform": "kubernetes",
    "selfmonitor:kubernetes": json.dumps(
        {
            "namespace": "ledger",
            "clients": [{"network": "10.20.0.0/16"}],
            "client_names": ["db.example.com"],
        }
    ),
}


def test_it_is_what_a_first_preview_registers(run_program: Callable[..., Any]) -> None:
    """By the recorder with which the program itself is tested."""
    expected = run_program(
        stack="shop",
        configuration=KUBERNETES,
        preview=True,
        values=lambda token, name, inputs: {},
        answers=lambda token, name, inputs: ("", inputs),
    )
    found = declare(ROOT, KUBERNETES, "selfmonitor", "shop")
    assert {
        each.urn: json_format.MessageToDict(each.request.object) for each in found.registered
    } == {each.urn: each.raw for each in expected.requests}
    assert found.warnings == []


def test_what_the_program_warns_of_is_kept_and_secrets_stay_marked(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import pulumi, pulumi_docker as docker\n"
        "first = docker.Volume('first', labels=[docker.VolumeLabelArgs("
        "label='l', value=pulumi.Output.secret('hunter2'))])\n"
        "docker.Volume('second', name=first.labels.apply(lambda labels: labels[0].value))\n"
        "pulumi.log.warn('careful')\n"
    )
    found = declare(tmp_path, {}, "selfmonitor", "shop")
    assert found.warnings == ["careful"]
    second = next(each for each in found.registered if each.request.name == "second")
    name = json_format.MessageToDict(second.request.object)["name"]
    # What is made of a secret is one, although it went through what a provider would answer.
    assert name["value"] == "hunter2"


def test_a_program_that_gives_up_says_why_and_the_next_one_runs(tmp_path: Path) -> None:
    main = tmp_path / "__main__.py"
    main.write_text("import pulumi\nraise pulumi.RunError('the stack file is wrong')\n")
    with pytest.raises(pulumi.RunError, match="the stack file is wrong"):
        declare(tmp_path, {}, "selfmonitor", "shop")
    main.write_text("import pulumi_docker as docker\ndocker.Volume('v')\n")
    (found,) = declare(tmp_path, {}, "selfmonitor", "shop").registered
    assert found.urn.endswith("docker:index/volume:Volume::v")


def test_a_program_that_asks_a_provider_is_told_who_could(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import pulumi_docker as docker\ndocker.get_network(name='n')\n"
    )
    with pytest.raises(Exception, match="can be asked with the Pulumi CLI alone"):
        declare(tmp_path, {}, "selfmonitor", "shop")
