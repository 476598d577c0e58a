"""Roles: who takes each on, and the least each needs."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

ACCOUNT = "123456789012"
ISSUER = "oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
FIRST, COPY = "arn:aws:s3:::acme-ledger-vault", "arn:aws:s3:::acme-ledger-vault-copy"
PREFIX = "selfmonitor-production-"
WORKLOADS = ("writer", "reader", "tester", "follower")
ALL = (*WORKLOADS, "replicator", "logs", "copy-logs")


def trust(found: Any, role: str) -> dict[str, Any]:
    (made,) = [each for each in found.recording.of("Role") if each.inputs["name"] == PREFIX + role]
    (statement,) = json.loads(made.inputs["assumeRolePolicy"])["Statement"]
    return dict(statement)


def actions(found: Any, role: str, service: str = "s3") -> dict[str, set[str]]:
    """{resource: what the role may do with it}."""
    result: dict[str, set[str]] = {}
    for each in found.rights(PREFIX + role):
        assert each["Effect"] == "Allow"
        done = {action for action in each["Action"] if action.startswith(f"{service}:")}
        if done:
            result.setdefault(each["Resource"], set()).update(done)
    return result


@pytest.mark.parametrize("role", ALL)
def test_no_role_has_a_pattern_for_an_action_or_any_resource(declared: Any, role: str) -> None:
    for each in declared.rights(PREFIX + role):
        assert all(re.fullmatch(r"(s3|kms):[A-Za-z]+", action) for action in each["Action"])
        assert isinstance(each["Resource"], str)
        bucket = re.fullmatch(r"arn:aws:s3:::[a-z-]+(/\*|/records/\*)?", each["Resource"])
        key = re.fullmatch(r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]{36}", each["Resource"])
        assert bucket or key, each["Resource"]


@pytest.mark.parametrize("role", ALL)
def test_no_role_deletes_a_version_or_lifts_a_lock(declared: Any, role: str) -> None:
    allowed = set().union(*actions(declared, role).values())
    forbidden = {
        *("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectRetention"),
        *("s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning"),
        *("s3:DeleteBucket", "s3:PutReplicationConfiguration", "s3:ReplicateDelete"),
        *("s3:PutBucketObjectLockConfiguration", "s3:PutObjectLegalHold", "s3:PutObjectAcl"),
    }
    assert not allowed & forbidden


@pytest.mark.parametrize("role", ALL)
def test_a_key_is_used_through_s3_alone(declared: Any, role: str) -> None:
    for each in declared.rights(PREFIX + role):
        if ":kms:" in each["Resource"]:
            region = each["Resource"].split(":")[3]
            assert each["Condition"] == {
                "StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}
            }


def test_each_role_reads_and_writes_only_where_its_work_is(declared: Any) -> None:
    def where(role: str, action: str) -> set[str]:
        return {place for place, done in actions(declared, role).items() if action in done}

    assert where("writer", "s3:PutObject") == where("writer", "s3:GetObject") == {f"{FIRST}/*"}
    assert where("tester", "s3:PutObject") == {f"{FIRST}/records/*"}
    assert where("tester", "s3:GetObject") == where("reader", "s3:GetObject") == {f"{FIRST}/*"}
    for role in ("reader", "follower", "logs", "copy-logs", "replicator"):
        assert where(role, "s3:PutObject") == set(), role
    assert where("reader", "s3:DeleteObject") == set()
    # It deletes in the copy what has long been deleted in the first, and stores nothing there.
    assert where("follower", "s3:DeleteObject") == {f"{COPY}/*"}
    assert where("replicator", "s3:ReplicateObject") == {f"{COPY}/*"}
    for role in ("writer", "reader", "tester"):
        assert not [place for place in actions(declared, role) if place.startswith(COPY)], role


def test_a_replicated_version_keeps_its_lock(declared: Any) -> None:
    assert {"s3:GetObjectRetention", "s3:GetObjectLegalHold"} <= actions(declared, "replicator")[
        f"{FIRST}/*"
    ]


@pytest.mark.parametrize(
    ("role", "accounts"),
    [
        ("writer", ["postgres", "backup"]),
        ("reader", ["load-redis"]),
        ("tester", ["restore-test", "side"]),
        ("follower", ["replication"]),
    ],
)
def test_a_role_is_taken_on_by_its_service_accounts_with_a_token_made_for_aws(
    declared: Any, role: str, accounts: list[str]
) -> None:
    assert trust(declared, role) == {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": [f"system:serviceaccount:ledger:{each}" for each in accounts],
            }
        },
    }


def test_the_service_accounts_are_those_of_the_stacks_workloads(
    declared: Any, run_aws: Callable[..., Any]
) -> None:
    recovered = run_aws(recovery="copy")
    workloads = {each.name for each in recovered.recording.of("Workload")}
    for role in (*WORKLOADS, "seeder"):
        for subject in trust(recovered, role)["Condition"]["StringEquals"][f"{ISSUER}:sub"]:
            assert subject.rpartition(":")[2] in workloads


@pytest.mark.parametrize(
    ("role", "bucket"),
    [
        ("replicator", FIRST),
        ("logs", f"{FIRST}-logs"),
        ("copy-logs", f"{COPY}-logs"),
    ],
)
def test_s3_takes_a_role_on_for_one_bucket(declared: Any, role: str, bucket: str) -> None:
    found = trust(declared, role)
    assert found["Principal"] == {"Service": "s3.amazonaws.com"}
    assert found["Condition"] == {
        "ArnEquals": {"aws:SourceArn": bucket},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }


def test_who_fills_a_vault_from_the_copy_is_there_while_that_is_done(
    declared: Any, run_aws: Callable[..., Any]
) -> None:
    assert "seeder" not in str([each.inputs for each in declared.recording.of("Role")])
    found = run_aws(recovery="copy")
    places = actions(found, "seeder")
    assert {place for place, done in places.items() if "s3:PutObject" in done} == {f"{FIRST}/*"}
    assert {place for place, done in places.items() if "s3:GetObject" in done} == {
        f"{FIRST}/*",
        f"{COPY}/*",
    }
    assert found.workload("seed")["environment"]["AWS_ROLE_ARN"].endswith("-seeder")


def test_sessions_last_an_hour(declared: Any) -> None:
    assert {each.inputs["maxSessionDuration"] for each in declared.recording.of("Role")} == {3600}
