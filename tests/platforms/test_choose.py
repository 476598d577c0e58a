"""Which platform a stack's settings mean, and what the program says when it cannot be."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_stack_on_docker_does_not_wait_for_the_sdk_of_kubernetes() -> None:
    code = "import platforms.choose, sys; print('pulumi_kubernetes' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            {"selfmonitor:kubernetes": '{"registry": "registry.example.com"}'},
            "kubernetes.registry is given, but there is no images.lock.json",
        ),
        (
            {"selfmonitor:subnet": "10.99.0.0/16"},
            "Pulumi.shop.yaml: subnet is given, but platform is kubernetes",
        ),
    ],
)
def test_what_it_cannot_be_made_of_is_one_line(
    run_program: Callable[..., Any], configuration: dict[str, str], message: str
) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_program(
            configuration={"selfmonitor:platform": "kubernetes", **configuration}, stack="shop"
        )
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
