"""What is registered for a vault on AWS: known to the SDK, guarded, in its region."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pulumi
import pytest

SIGNATURE = "4dabf18193072939515e22adb298388d"
REGIONS = {"eu-west-2", "eu-west-1"}
# What holds data, or protects what does.
GUARDED = {
    *("Bucket", "BucketVersioning", "BucketObjectLockConfiguration", "BucketPolicy"),
    *("BucketServerSideEncryptionConfiguration", "BucketPublicAccessBlock", "BucketLogging"),
    *("BucketOwnershipControls", "BucketLifecycleConfiguration", "BucketReplicationConfig"),
    *("Key", "Trail"),
}
MADE_AGAIN = {"Alias", "Role", "RolePolicy"}
GLOBAL = {"Role", "RolePolicy"}


def of_aws(declared: Any) -> list[Any]:
    return [each for each in declared.recording.requests if each.type.startswith("aws:")]


def kind(request: Any) -> str:
    return str(request.type.rpartition(":")[2])


def open_texts(value: Any) -> Iterator[str]:
    """Every text in a raw value that is not marked as a secret."""
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return
        for key, each in value.items():
            yield str(key)
            yield from open_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from open_texts(each)
    elif isinstance(value, str):
        yield value


def test_two_regions_have_a_locked_bucket_each_and_who_touched_them_is_kept_in_a_third(
    declared: Any,
) -> None:
    assert Counter(map(kind, of_aws(declared))) == {
        "Bucket": 5,
        "BucketVersioning": 5,
        "BucketServerSideEncryptionConfiguration": 5,
        "BucketPublicAccessBlock": 5,
        "BucketOwnershipControls": 5,
        "BucketPolicy": 5,
        "BucketLifecycleConfiguration": 5,
        "BucketObjectLockConfiguration": 3,
        "BucketLogging": 2,
        "BucketReplicationConfig": 3,
        "Key": 3,
        "Alias": 3,
        "Trail": 1,
        # writer, reader, tester, follower, and S3 itself for each replication
        "Role": 7,
        # objects and key of each role's site; of the logs' replications only the target has a key
        "RolePolicy": 2 * 3 + 4 + 3 + 2 * 2,
    }


def test_without_a_second_region_nothing_is_in_one(run_aws: Callable[..., Any]) -> None:
    found = run_aws({"copy_region": None}, more={"second_region": False})
    assert {each.inputs["bucket"] for each in found.recording.of("Bucket")} == {
        *("acme-ledger-vault", "acme-ledger-vault-logs", "acme-ledger-vault-audit")
    }
    assert {each.inputs["region"] for each in found.recording.of("Bucket")} == {"eu-west-2"}
    (replication,) = found.recording.of("BucketReplicationConfig")
    assert replication.inputs["bucket"] == "acme-ledger-vault-logs"
    assert "replication" not in {each.name for each in found.recording.of("Workload")}
    assert not [each for each in found.recording.of("Role") if "follower" in each.inputs["name"]]


def test_every_input_is_one_the_installed_sdk_knows(
    declared: Any, unknown_inputs: Callable[..., list[str]]
) -> None:
    requests = of_aws(declared)
    requests += [each for each in declared.recording.requests if each.type.endswith("rs:aws")]
    assert len(requests) > 60
    checked = [each for each in requests if each.custom]
    assert [unknown_inputs(each.type, each.raw, each.name) for each in checked] == [[]] * len(
        checked
    )


def test_the_check_of_inputs_sees_a_wrong_key_at_any_depth(
    declared: Any, unknown_inputs: Callable[..., list[str]]
) -> None:
    request = declared.recording.named("BucketLifecycleConfiguration", LIFECYCLE)
    raw = json.loads(json.dumps(request.raw))
    raw["rules"][0]["noncurrentVersionExpiration"]["days"] = 1
    raw["rule"] = []
    assert set(unknown_inputs(request.type, raw, "x")) == {
        "x.rule",
        "x.rules.noncurrentVersionExpiration.days",
    }


LIFECYCLE = "vault-aws-first-bucket-lifecycle"


def test_what_holds_data_or_protects_it_is_neither_destroyed_nor_removed(declared: Any) -> None:
    assert {kind(each) for each in of_aws(declared)} == GUARDED | MADE_AGAIN
    for each in of_aws(declared):
        guarded = kind(each) in GUARDED
        assert (each.protected, each.retained) == (guarded, guarded), each.name


def test_no_bucket_is_emptied_to_be_deleted(declared: Any) -> None:
    for each in declared.recording.of("Bucket"):
        assert each.inputs["forceDestroy"] is False


def test_every_resource_says_its_region_and_has_that_regions_provider(declared: Any) -> None:
    providers = {
        each.urn: each.inputs["region"]
        for each in declared.recording.requests
        if each.type == "pulumi:providers:aws"
    }
    assert set(providers.values()) == REGIONS
    for each in of_aws(declared):
        assert each.provider, f"{each.name} has the default provider"
        region = providers[each.provider.rpartition("::")[0]]
        if kind(each) not in GLOBAL:
            assert each.inputs["region"] == region, each.name


def test_no_provider_accepts_credentials_of_another_account(declared: Any) -> None:
    found = [each for each in declared.recording.requests if each.type == "pulumi:providers:aws"]
    assert [json.loads(each.inputs["allowedAccountIds"]) for each in found] == [
        ["123456789012"],
        ["123456789012"],
    ]
    assert not [key for each in found for key in each.inputs if "key" in key.lower()]


def test_everything_that_can_have_tags_has_the_stacks(declared: Any) -> None:
    tagged = [each for each in of_aws(declared) if kind(each) in ("Bucket", "Key", "Role", "Trail")]
    assert len(tagged) == 16
    for each in tagged:
        assert each.inputs["tags"] == {
            "CostCentre": "ledger",
            "Project": "selfmonitor",
            "Stack": "production",
            "Component": "backup-vault",
        }


def test_the_projects_own_tags_are_not_overridden(run_aws: Callable[..., Any]) -> None:
    found = run_aws({"tags": {"Stack": "other"}})
    assert {each.inputs["tags"]["Stack"] for each in found.recording.of("Key")} == {"production"}


def test_a_sidecar_refers_to_its_bucket_also_while_no_id_is_known(
    run_aws: Callable[..., Any], nothing_is_there: dict[str, Any]
) -> None:
    found = run_aws(**nothing_is_there)
    buckets = {each.urn for each in found.recording.of("Bucket")}
    for each in of_aws(found):
        if kind(each).startswith("Bucket") and kind(each) != "Bucket":
            assert set(each.references["bucket"]) & buckets, each.name


def test_a_first_preview_registers_what_the_first_up_does(
    run_aws: Callable[..., Any], declared: Any, nothing_is_there: dict[str, Any]
) -> None:
    found = run_aws(**nothing_is_there)
    assert {each.urn for each in found.recording.requests} == {
        each.urn for each in declared.recording.requests
    }


def test_at_a_first_preview_all_is_known_but_what_a_key_that_does_not_exist_is_called(
    run_aws: Callable[..., Any], nothing_is_there: dict[str, Any]
) -> None:
    """So that a control can judge what is declared before anything is."""
    found = run_aws(**nothing_is_there)
    names = [each.inputs["bucket"] for each in found.recording.of("Bucket")]
    assert len(set(names)) == 5
    for each in found.recording.of("Key"):
        assert json.loads(each.inputs["policy"])["Statement"]
    known = [each for each in found.recording.of("RolePolicy") if each.name.endswith("-objects")]
    for each in known:
        assert json.loads(each.inputs["policy"])["Statement"]
    for each in found.recording.of("BucketObjectLockConfiguration"):
        assert each.inputs["rule"]["defaultRetention"]["days"] >= 38


def test_two_evaluations_are_equal(run_aws: Callable[..., Any], declared: Any) -> None:
    second = run_aws(again=1)
    assert second is not declared
    # But for generated passwords, keys and certificates.
    first = {each.urn: each.raw for each in of_aws(declared)}
    assert {each.urn: each.raw for each in of_aws(second)} == first


def test_no_resource_of_aws_is_given_a_secret(declared: Any) -> None:
    secrets = [
        made[key].strip()
        for made in declared.recording.values.values()
        for key in ("result", "privateKeyPem")
        if key in made
    ]
    assert len(secrets) > 10
    for each in of_aws(declared):
        text = json.dumps(each.raw)
        assert SIGNATURE not in text
        assert not [secret for secret in secrets if secret in text]


def test_no_secret_is_in_the_open_in_any_request_or_output(declared: Any) -> None:
    secrets = [
        made[key].strip()
        for made in declared.recording.values.values()
        for key in ("result", "privateKeyPem")
        if key in made
    ]
    for each in declared.recording.requests:
        for text in open_texts(each.raw):
            assert not [secret for secret in secrets if secret in text], each.name
    for outputs in declared.recording.component_outputs.values():
        for text in open_texts(outputs):
            assert not [secret for secret in secrets if secret in text]


def test_a_stack_whose_name_leaves_no_room_for_a_roles_is_refused(
    run_aws: Callable[..., Any],
) -> None:
    with pytest.raises(pulumi.RunError, match="has a name of 41 characters: on AWS it may have 40"):
        run_aws(stack="a" * 41)
    names = [each.inputs["name"] for each in run_aws(stack="a" * 40).recording.of("Role")]
    assert max(map(len, names)) <= 64


def before(declared: Any, token: str, name: str) -> set[str]:
    """Names of all that is there before a resource is made."""
    requests = {each.urn: each for each in declared.recording.requests}
    found: set[str] = set()
    waiting = [declared.recording.named(token, name)]
    while waiting:
        for urn in waiting.pop().dependencies:
            if urn in requests and requests[urn].name not in found:
                found.add(requests[urn].name)
                waiting.append(requests[urn])
    return found


def test_replication_waits_until_both_ends_keep_versions_and_it_may_use_both_keys(
    declared: Any,
) -> None:
    """S3 refuses the first, and what is written before the second is replicated by nobody."""
    assert {
        "vault-aws-first-bucket-versioning",
        "vault-aws-copy-bucket-versioning",
        "vault-aws-replication-objects",
        "vault-aws-replication-source-key",
        "vault-aws-replication-target-key",
    } <= before(declared, "BucketReplicationConfig", "vault-aws-replication")


def test_a_policy_waits_for_the_block_of_public_access(declared: Any) -> None:
    """S3 refuses two changes of a bucket at once."""
    for each in declared.recording.of("BucketPolicy"):
        bucket = each.name.removesuffix("-policy")
        assert f"{bucket}-public-access" in before(declared, "BucketPolicy", each.name)


def test_what_is_stored_waits_for_the_lock_the_policy_and_the_replication(declared: Any) -> None:
    for workload in ("postgres", "backup", "restore-test"):
        assert {
            "vault-aws-first-bucket-lock",
            "vault-aws-first-bucket-versioning",
            "vault-aws-first-bucket-encryption",
            "vault-aws-first-bucket-policy",
            "vault-aws-copy-bucket-lock",
            "vault-aws-replication",
            "vault-aws-audit-trail",
            "vault-aws-role-writer-first-objects",
            "vault-aws-role-writer-first-key",
        } <= before(declared, "Workload", workload), workload
