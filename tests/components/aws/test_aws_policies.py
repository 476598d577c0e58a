"""Policies of buckets and keys: judged as AWS would, since moto does not look at conditions."""

import fnmatch
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

ACCOUNT = "123456789012"
DATA = ("acme-ledger-vault", "acme-ledger-vault-copy")
BUCKETS = (
    *DATA,
    "acme-ledger-vault-logs",
    "acme-ledger-vault-copy-logs",
    "acme-ledger-vault-audit",
)
KEYS = {
    "acme-ledger-vault": "vault-aws-first-key",
    "acme-ledger-vault-copy": "vault-aws-copy-key",
}
WRITER = f"arn:aws:iam::{ACCOUNT}:role/selfmonitor-production-writer"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/vault-administrator"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
SSE = "s3:x-amz-server-side-encryption"
KEY_ID = f"{SSE}-aws-kms-key-id"
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}

# A condition's operator on one wanted and one given value. AWS: a negated one also holds where
# nothing is given (https://docs.aws.amazon.com/IAM/latest/UserGuide/
# reference_policies_elements_condition_operators.html).
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "Bool": lambda wanted, given: wanted == given,
    "StringEquals": lambda wanted, given: wanted == given,
    "ArnEquals": lambda wanted, given: fnmatch.fnmatchcase(given, wanted),
    "StringLike": lambda wanted, given: fnmatch.fnmatchcase(given, wanted),
    "NumericLessThan": lambda wanted, given: float(given) < float(wanted),
}
NEGATED = {"StringNotEquals": "StringEquals", "ArnNotEquals": "ArnEquals"}


def many(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]


def holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    given = context.get(key)
    if operator == "Null":
        return (given is None) == (wanted == "true")
    if operator in NEGATED:
        return not holds(NEGATED[operator], key, wanted, context)
    return given is not None and any(OPERATORS[operator](each, given) for each in many(wanted))


def applies(
    statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    actions, resources = many(statement["Action"]), many(statement["Resource"])
    return (
        any(fnmatch.fnmatchcase(action, each) for each in actions)
        and any(fnmatch.fnmatchcase(resource, each) for each in resources)
        and all(
            holds(operator, key, wanted, context)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def denied(
    policy: Mapping[str, Any], action: str, resource: str, more: Mapping[str, str] | None = None
) -> list[str]:
    """The statements that refuse a request, which is the writer's, over TLS, but for `more`."""
    known = {"aws:PrincipalArn": WRITER, **TLS, **(more or {})}
    return [
        name
        for name, statement in policy.items()
        if statement["Effect"] == "Deny"
        and statement["Principal"] == {"AWS": "*"}
        and applies(statement, action, resource, known)
    ]


def put(policy: Mapping[str, Any], bucket: str, more: Mapping[str, str]) -> list[str]:
    return denied(policy, "s3:PutObject", f"arn:aws:s3:::{bucket}/a/b", more)


# The judge itself


def test_the_judge_refuses_what_a_negated_condition_has_nothing_to_compare_with() -> None:
    assert holds("StringNotEquals", "k", "a", {})
    assert not holds("StringEquals", "k", "a", {})
    assert holds("Null", "k", "true", {})
    assert not holds("Null", "k", "true", {"k": ""})


# Buckets


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:ListBucket"])
def test_nobody_comes_in_without_tls_or_with_an_old_one(
    declared: Any, bucket: str, action: str
) -> None:
    policy = declared.policy(bucket)
    for resource in (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/a"):
        plain = denied(policy, action, resource, more={"aws:SecureTransport": "false"})
        assert "TlsOnly" in plain
        old = denied(policy, action, resource, more={"s3:TlsVersion": "1.1"})
        assert "NoOutdatedTls" in old
        assert denied(policy, action, resource, more={"s3:TlsVersion": "1.2"}) == []


@pytest.mark.parametrize("bucket", DATA)
def test_what_is_stored_is_encrypted_with_the_buckets_own_key(declared: Any, bucket: str) -> None:
    policy = declared.policy(bucket)
    own, other = (declared.key_arn(KEYS[each]) for each in sorted(DATA, key=bucket.__ne__))
    # By the bucket's default, by its name, and by parts, which repeat nothing.
    assert put(policy, bucket, {}) == []
    assert put(policy, bucket, {SSE: "aws:kms", KEY_ID: own}) == []
    # The other region's, the one AWS manages, S3's own, a customer's.
    assert put(policy, bucket, {SSE: "aws:kms", KEY_ID: other}) == ["NoOtherKey"]
    assert put(policy, bucket, {SSE: "aws:kms"}) == ["NoOtherKey"]
    assert "NoOtherEncryption" in put(policy, bucket, {SSE: "AES256"})
    assert "NoOtherEncryption" in put(policy, bucket, {SSE: "aws:kms:dsse", KEY_ID: own})
    assert put(policy, bucket, {f"{SSE}-customer-algorithm": "AES256"}) == ["NoKeyOfTheWriter"]


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize(
    "action",
    [
        *("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectRetention"),
        *("s3:PutObjectLegalHold", "s3:DeleteBucket"),
    ],
)
def test_nobody_but_an_administrator_ends_anything(declared: Any, bucket: str, action: str) -> None:
    policy = declared.policy(bucket)
    resource = f"arn:aws:s3:::{bucket}" + ("" if action == "s3:DeleteBucket" else "/a")
    for principal in (WRITER, ROOT, ADMINISTRATOR + "-assistant"):
        assert denied(policy, action, resource, more={"aws:PrincipalArn": principal}) == [
            "NothingEnds"
        ]
    assert denied(policy, action, resource, more={"aws:PrincipalArn": ADMINISTRATOR}) == []


def test_without_administrators_nobody_ends_anything(run_aws: Callable[..., Any]) -> None:
    found = run_aws({"administrators": []})
    for bucket in BUCKETS:
        assert "Condition" not in found.policy(bucket)["NothingEnds"]
    for name in KEYS.values():
        assert "AdministratorsMayEnd" not in found.key_policy(name)


def test_setting_a_delete_marker_is_no_ending(declared: Any) -> None:
    policy = declared.policy(DATA[0])
    assert denied(policy, "s3:DeleteObject", f"arn:aws:s3:::{DATA[0]}/a") == []


@pytest.mark.parametrize("bucket", DATA)
def test_a_bucket_with_backups_lets_nobody_in_by_its_own_policy(declared: Any, bucket: str) -> None:
    assert {each["Effect"] for each in declared.policy(bucket).values()} == {"Deny"}


@pytest.mark.parametrize("bucket", DATA)
def test_s3_writes_the_logs_of_one_bucket_and_no_other(declared: Any, bucket: str) -> None:
    logs = f"{bucket}-logs"
    allowed = [each for each in declared.policy(logs).values() if each["Effect"] == "Allow"]
    assert allowed == [
        {
            "Sid": "AccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{logs}/{bucket}/*",
            "Condition": {
                "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        }
    ]


def test_cloudtrail_writes_for_this_trail_alone(declared: Any) -> None:
    policy = declared.policy("acme-ledger-vault-audit")
    allowed = {name for name, each in policy.items() if each["Effect"] == "Allow"}
    assert allowed == {"TrailLooks", "TrailWrites"}
    trail = "arn:aws:cloudtrail:eu-west-2:123456789012:trail/selfmonitor-production-vault"
    for name in allowed:
        assert policy[name]["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
        assert policy[name]["Condition"]["StringEquals"]["aws:SourceArn"] == trail
    (made,) = declared.recording.of("Trail")
    assert trail.endswith(made.inputs["name"])


# Keys


@pytest.mark.parametrize("name", [*KEYS.values(), "vault-aws-audit-key"])
def test_no_key_is_ended_by_the_account_and_none_is_used_by_it(declared: Any, name: str) -> None:
    policy = declared.key_policy(name)
    governing = policy["AccountGoverns"]
    assert governing["Principal"] == {"AWS": ROOT}
    used = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
    ended = {"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DisableKeyRotation"}
    assert not set(governing["Action"]) & (used | ended)
    ending = policy["AdministratorsMayEnd"]
    assert set(ending["Action"]) == ended
    assert ending["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [ADMINISTRATOR]}}


@pytest.mark.parametrize("name", [*KEYS.values(), "vault-aws-audit-key"])
def test_no_policy_of_a_key_has_a_pattern_for_an_action(declared: Any, name: str) -> None:
    for statement in declared.key_policy(name).values():
        assert not [each for each in many(statement["Action"]) if "*" in each]


def users(declared: Any, name: str, action: str) -> set[str]:
    """The roles a key's policy lets do something."""
    found: set[str] = set()
    for statement in declared.key_policy(name).values():
        if action in many(statement["Action"]) and statement["Principal"] == {"AWS": ROOT}:
            for arn in statement["Condition"].get("ArnEquals", {}).get("aws:PrincipalArn", []):
                found.add(arn.removeprefix(f"arn:aws:iam::{ACCOUNT}:role/selfmonitor-production-"))
    return found


def test_each_key_is_used_by_those_who_work_with_its_bucket(declared: Any) -> None:
    first, copy, audit = (*KEYS.values(), "vault-aws-audit-key")
    assert users(declared, first, "kms:Decrypt") == {
        *("writer", "reader", "tester", "follower", "replicator")
    }
    assert users(declared, first, "kms:GenerateDataKey") == {"writer", "tester"}
    assert users(declared, first, "kms:Encrypt") == set()
    assert users(declared, copy, "kms:Decrypt") == {"follower"}
    assert users(declared, copy, "kms:GenerateDataKey") == {"replicator"}
    assert users(declared, audit, "kms:GenerateDataKey") == {"logs", "copy-logs"}


@pytest.mark.parametrize("bucket", DATA)
def test_a_key_is_used_through_s3_for_its_bucket_in_its_region_alone(
    declared: Any, bucket: str
) -> None:
    region = "eu-west-2" if bucket == DATA[0] else "eu-west-1"
    found = [
        each
        for each in declared.key_policy(KEYS[bucket]).values()
        if each["Sid"].startswith("Roles")
    ]
    assert found
    for each in found:
        assert each["Condition"]["StringEquals"] == {
            "kms:CallerAccount": ACCOUNT,
            "kms:ViaService": f"s3.{region}.amazonaws.com",
        }
        assert each["Condition"]["StringLike"] == {
            "kms:EncryptionContext:aws:s3:arn": [
                f"arn:aws:s3:::{bucket}",
                f"arn:aws:s3:::{bucket}/*",
            ]
        }


def test_every_role_a_key_speaks_of_is_one_there_is(declared: Any) -> None:
    roles = {
        f"arn:aws:iam::{ACCOUNT}:role/{each.inputs['name']}"
        for each in declared.recording.of("Role")
    }
    for each in declared.recording.of("Key"):
        for statement in json.loads(each.inputs["policy"])["Statement"]:
            arns = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn", [])
            assert set(arns) <= {*roles, ADMINISTRATOR}


def test_what_the_key_lets_a_role_do_the_role_may_too_and_no_more(declared: Any) -> None:
    """Where one of the two says no, a workload would find out at its first backup."""
    for name, key in (("first", KEYS[DATA[0]]), ("copy", KEYS[DATA[1]])):
        arn = declared.key_arn(key)
        for role in ("writer", "reader", "tester", "follower", "replicator"):
            may = {
                action
                for each in declared.rights(f"selfmonitor-production-{role}")
                if each["Resource"] == arn
                for action in each["Action"]
            }
            lets = {
                action
                for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
                if role in users(declared, key, action)
            }
            assert may == lets, (name, role)
