"""The pack as the Pulumi CLI starts it: a process of its own, for somebody else's program."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import analyzer_pb2_grpc

from policies.discover import controls
from policy_spec import UNKNOWN
from policy_stacks import ROOT

KEY = "aws:kms/key:Key"


@pytest.fixture(scope="module")
def somewhere_else(tmp_path_factory: Any) -> Path:
    """The pack alone, in a folder of another name."""
    there: Path = tmp_path_factory.mktemp("shop") / "our-rules"
    shutil.copytree(ROOT / "policies", there, ignore=shutil.ignore_patterns("__pycache__"))
    return there


@contextlib.contextmanager
def running(pack: Path, variables: Mapping[str, str]) -> Iterator[Any]:
    """A client of the pack, started as the CLI starts it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."],
        cwd=pack,
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    found.update(values)
    return found


def asked(properties: Mapping[str, Any]) -> proto.AnalyzeRequest:
    return proto.AnalyzeRequest(
        type=KEY,
        name="k",
        urn=f"urn:pulumi:dev::shop::{KEY}::k",
        properties=struct(properties),
        options=proto.AnalyzerResourceOptions(protect=True),
    )


def about_rotation(client: Any, properties: Mapping[str, Any]) -> Any:
    """What the one control says."""
    found = client.Analyze(asked(properties)).diagnostics
    (own,) = [each for each in found if each.policyName == "aws-key-rotation"]
    return own


def test_the_cli_finds_every_control_and_is_answered(somewhere_else: Path) -> None:
    variables = {
        "PULUMI_STACK": "dev",
        "PULUMI_PROJECT": "shop",
        "PULUMI_DRY_RUN": "true",
        "PULUMI_CONFIG": json.dumps({"policies:environment": "local"}),
    }
    with running(somewhere_else, variables) as client:
        info = client.GetAnalyzerInfo(empty_pb2.Empty())
        assert [each.name for each in info.policies] == [each.id for each in controls()]
        wrong = about_rotation(client, {"enableKeyRotation": False})
        assert wrong.enforcementLevel == proto.MANDATORY
        waits = about_rotation(client, {"enableKeyRotation": UNKNOWN})
        assert waits.enforcementLevel == proto.ADVISORY
        assert "Key k: enableKeyRotation is not known yet" in waits.message
        # What the CLI cannot know to be wrong stops the update all the same, with what it was.
        unheard = proto.PolicyConfig(
            enforcementLevel=proto.MANDATORY, properties=struct({"days": 3})
        )
        client.Configure(proto.ConfigureAnalyzerRequest(policyConfig={"aws-key-rotation": unheard}))
        with pytest.raises(grpc.RpcError, match="aws-key-rotation: there is no setting days"):
            client.Analyze(asked({"enableKeyRotation": True}))
