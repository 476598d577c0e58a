"""What docs/production.md says of the stacks is so."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import COMMANDS
from cli.images.command import images
from settings.unfilled import HOW, is_unfilled

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "production.md").read_text()
MIB_A_GIB = 1024


def cores(text: str) -> float:
    return int(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_a_stack_takes_of_a_cluster(run_stack: Callable[..., Any], stack: str) -> None:
    manifests = run_stack(stack, filled=True).manifests
    memory = processors = 0.0
    for each in manifests.of("StatefulSet").values():
        for container in each["spec"]["template"]["spec"]["containers"]:
            kept = container["resources"]["requests"]
            memory += each["spec"]["replicas"] * int(kept["memory"].removesuffix("Mi"))
            processors += each["spec"]["replicas"] * cores(kept["cpu"])
    volumes = sum(
        int(each["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
        for each in manifests.of("PersistentVolumeClaim").values()
    )
    row = f"| {stack} | {memory / MIB_A_GIB:.1f} | {processors:.1f} | {volumes} |"
    assert row in PAGE


def test_every_key_to_fill_in_is_in_the_table_with_how_to_find_it() -> None:
    rows = re.findall(
        r"^\| `((?:kubernetes|backup|edge)\.[a-z_.]+)` \| (.+) \|$", PAGE, re.MULTILINE
    )
    assert dict(rows) == dict(HOW)


def test_what_it_calls_unmistakable_is_what_is_looked_for() -> None:
    (said,) = re.findall(
        r"the word\n`([^`]+)`, it is the account `([^`]+)`, or it lies in the network ([0-9./]+)",
        PAGE,
    )
    word, account, network = said
    assert is_unfilled(word)
    assert is_unfilled(account)
    assert network == "192.0.2.0/24"


def test_every_command_it_names_is_there() -> None:
    named = set(re.findall(r"\./selfmonitor (?:-s [a-z]+ )?([a-z-]+)(?: ([a-z]+))?", PAGE))
    commands = {command for command, _ in named}
    assert {"doctor", "images", "status", "test", "up"} == commands
    assert commands <= COMMANDS.keys()
    assert {sub for command, sub in named if command == "images"} == set(images.commands)
