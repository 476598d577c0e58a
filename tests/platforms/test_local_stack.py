"""The stack on Docker is what it was: what is changed for another platform does not reach it.

local_stack.json has a hash of each resource's registration. Where a change of the stack on Docker
is meant, the test says which file to put in its place.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).with_name("local_stack.json")
# What an image is made of is another matter: its content is in its name.
IMAGE_TAG = re.compile(r"(selfmonitor/[a-z]+):[0-9a-f]{12}")
OUTPUTS = {
    "RandomPassword": ("result",),
    "PrivateKey": ("privateKeyPem", "publicKeyPem"),
    "CertRequest": ("certRequestPem",),
    "SelfSignedCert": ("certPem",),
    "LocallySignedCert": ("certPem",),
}


def named_values(token: str, name: str, inputs: Any) -> dict[str, Any]:
    """The same at every run, and different for each resource."""
    return {key: f"{key} of {name}\n" for key in OUTPUTS[token.rpartition(":")[2]]}


def registrations(recording: Any) -> dict[str, str]:
    """{URN: hash of everything the engine is told about it}."""
    found = {}
    for each in recording.requests:
        told = dict(vars(each))
        if each.type.endswith(":RemoteImage"):
            told["raw"] = {key: value for key, value in each.raw.items() if key != "triggers"}
        text = IMAGE_TAG.sub(r"\1", json.dumps(told, sort_keys=True))
        found[each.urn] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return dict(sorted(found.items()))


def test_the_stack_on_docker_is_registered_as_before(
    run_program: Callable[..., Any], tmp_path: Path
) -> None:
    found = registrations(run_program(values=named_values))
    now = tmp_path / EXPECTED.name
    now.write_text(json.dumps(found, indent=1) + "\n")
    before = json.loads(EXPECTED.read_text())
    changed = sorted(urn for urn in found.keys() | before if found.get(urn) != before.get(urn))
    assert changed == [], f"if this is meant: cp {now} {EXPECTED}"
