"""bucket.py: the bucket is what vault.json wants, and its lock never gets shorter."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws


@pytest.fixture
def client(aws_session: Any) -> Iterator[Any]:
    with mock_aws():
        yield aws_session.client("s3", region_name="us-east-1")


@pytest.fixture
def wanted(programs: Any, container: Path) -> Any:
    return programs.gateway.Configuration.load()


def locked(client: Any, wanted: Any) -> dict[str, Any]:
    found = client.get_object_lock_configuration(Bucket=wanted.bucket)
    rule: dict[str, Any] = found["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    return rule


def test_a_bucket_is_made_with_versions_a_lock_and_a_policy(
    programs: Any, client: Any, wanted: Any
) -> None:
    assert programs.bucket.prepare(client, wanted) == 30
    assert client.get_bucket_versioning(Bucket=wanted.bucket)["Status"] == "Enabled"
    rule = locked(client, wanted)
    assert (rule["Mode"], rule["Days"]) == ("COMPLIANCE", 30)
    policy = client.get_bucket_policy(Bucket=wanted.bucket)["Policy"]
    assert json.loads(policy) == wanted.policy()


def test_preparing_may_be_repeated_and_takes_up_changes(
    programs: Any, client: Any, wanted: Any
) -> None:
    programs.bucket.prepare(client, wanted)
    other = dataclasses.replace(
        wanted, lock_days=60, policies={"reader": [{"Action": "s3:GetObject", "Resource": "/*"}]}
    )
    assert programs.bucket.prepare(client, other) == 60
    assert locked(client, wanted)["Days"] == 60
    policy = client.get_bucket_policy(Bucket=wanted.bucket)["Policy"]
    assert json.loads(policy) == other.policy()


def test_a_lock_is_never_shortened(
    programs: Any, client: Any, wanted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.bucket.prepare(client, wanted)
    shorter = dataclasses.replace(wanted, lock_days=7)
    assert programs.bucket.prepare(client, shorter) == 30
    assert locked(client, wanted)["Days"] == 30
    assert "stays locked for 30 days: lock_days 7 is shorter" in capsys.readouterr().err


def test_one_that_was_killed_while_it_made_the_bucket_is_gone_on_from(
    programs: Any, client: Any, wanted: Any
) -> None:
    client.create_bucket(Bucket=wanted.bucket, ObjectLockEnabledForBucket=True)
    client.put_bucket_versioning(
        Bucket=wanted.bucket, VersioningConfiguration={"Status": "Suspended"}
    )
    assert programs.bucket.prepare(client, wanted) == 30
    assert client.get_bucket_versioning(Bucket=wanted.bucket)["Status"] == "Enabled"


def test_what_a_killed_gateway_left_of_a_bucket_is_removed_and_nothing_else(
    programs: Any, container: Path, wanted: Any
) -> None:
    folder = container / "var" / "data" / wanted.bucket
    programs.bucket.remove_unusable(wanted)
    folder.mkdir(parents=True)
    programs.bucket.remove_unusable(wanted)
    assert not folder.exists()
    folder.mkdir()
    (folder / "object").touch()
    programs.bucket.remove_unusable(wanted)
    assert (folder / "object").exists()
    (folder / "object").unlink()
    try:
        os.setxattr(folder, "user.acl", b"owner")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    programs.bucket.remove_unusable(wanted)
    assert folder.exists()
