"""What was declared, made in moto through boto3, is what boto3 reads back; and a lock is a lock.

moto is the shape of the API: it looks at no condition of a policy, and so takes every Deny for an
unconditional one. What rests on conditions is judged in test_aws_policies.py; here a bucket's
policy is read back, and set aside before objects are stored.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

ACCOUNT = "123456789012"
DATA = {"acme-ledger-vault": "eu-west-2", "acme-ledger-vault-copy": "eu-west-1"}
AUDIT = "acme-ledger-vault-audit"
LOGS = {"acme-ledger-vault-logs": "eu-west-2", "acme-ledger-vault-copy-logs": "eu-west-1"}
BUCKETS = {**DATA, **LOGS, AUDIT: "eu-west-2"}

# The provider's name of a part of an input → the API's, where that is not the same in Pascal case.
NAMES = {
    "rules": "Rules",
    "id": "ID",
    "sseAlgorithm": "SSEAlgorithm",
    "kmsMasterKeyId": "KMSMasterKeyID",
    "replicaKmsKeyId": "ReplicaKmsKeyID",
    "startsWiths": "StartsWith",
    "notEquals": "NotEquals",
}


def pascal(value: Any) -> Any:
    """The API's shape of the provider's input."""
    if isinstance(value, dict):
        names = {key: NAMES.get(key, key[:1].upper() + key[1:]) for key in value}
        return {names[key]: pascal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [pascal(each) for each in value]
    return value


def whole(value: Any) -> Any:
    """The wire knows no whole numbers."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Applier:
    """An `answers` of the recorder that makes each resource. Safe from several threads."""

    def __init__(self) -> None:
        # moto's buckets know nothing of threads.
        self._lock = threading.Lock()

    def __call__(self, token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        make = getattr(self, f"_{token.rpartition(':')[2]}", None)
        if not token.startswith("aws:"):
            return name, inputs
        assert make is not None, f"{token} is not made here"
        with self._lock:
            found: dict[str, Any] = make(whole(inputs)) or {}
        return found.pop("id", name), {**inputs, **found}

    @staticmethod
    def client(service: str, inputs: dict[str, Any]) -> Any:
        return boto3.client(service, region_name=inputs.get("region", "eu-west-2"))

    def _s3(self, operation: str, inputs: dict[str, Any], **request: Any) -> None:
        getattr(self.client("s3", inputs), operation)(Bucket=inputs["bucket"], **request)

    def _Key(self, inputs: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        kms = self.client("kms", inputs)
        made = kms.create_key(
            Policy=inputs["policy"],
            Description=inputs["description"],
            MultiRegion=inputs["multiRegion"],
            Tags=[{"TagKey": k, "TagValue": v} for k, v in inputs["tags"].items()],
        )["KeyMetadata"]
        if inputs["enableKeyRotation"]:
            kms.enable_key_rotation(
                KeyId=made["KeyId"], RotationPeriodInDays=inputs["rotationPeriodInDays"]
            )
        return {"id": made["KeyId"], "keyId": made["KeyId"], "arn": made["Arn"]}

    def _Alias(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        self.client("kms", inputs).create_alias(
            AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"]
        )

    def _Bucket(self, inputs: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        s3 = self.client("s3", inputs)
        s3.create_bucket(
            Bucket=inputs["bucket"],
            CreateBucketConfiguration={"LocationConstraint": inputs["region"]},
            ObjectLockEnabledForBucket=inputs["objectLockEnabled"],
        )
        tags = [{"Key": key, "Value": value} for key, value in inputs["tags"].items()]
        s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": tags})
        return {"id": inputs["bucket"], "arn": f"arn:aws:s3:::{inputs['bucket']}"}

    def _BucketVersioning(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        configuration = pascal(inputs["versioningConfiguration"])
        self._s3("put_bucket_versioning", inputs, VersioningConfiguration=configuration)

    def _BucketObjectLockConfiguration(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        configuration = pascal({key: inputs[key] for key in ("objectLockEnabled", "rule")})
        self._s3("put_object_lock_configuration", inputs, ObjectLockConfiguration=configuration)

    def _BucketServerSideEncryptionConfiguration(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        # moto has not heard of blocked kinds of encryption.
        rules = [
            {key: value for key, value in rule.items() if key != "blockedEncryptionTypes"}
            for rule in inputs["rules"]
        ]
        self._s3(
            "put_bucket_encryption",
            inputs,
            ServerSideEncryptionConfiguration={"Rules": pascal(rules)},
        )

    def _BucketPublicAccessBlock(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        keys = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        configuration = pascal({key: inputs[key] for key in keys})
        self._s3("put_public_access_block", inputs, PublicAccessBlockConfiguration=configuration)

    def _BucketOwnershipControls(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        controls = {"Rules": [pascal(inputs["rule"])]}
        self._s3("put_bucket_ownership_controls", inputs, OwnershipControls=controls)

    def _BucketLifecycleConfiguration(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        rules = {"Rules": pascal(inputs["rules"])}
        self._s3("put_bucket_lifecycle_configuration", inputs, LifecycleConfiguration=rules)

    def _BucketLogging(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        enabled = pascal({key: inputs[key] for key in ("targetBucket", "targetPrefix")})
        self._s3("put_bucket_logging", inputs, BucketLoggingStatus={"LoggingEnabled": enabled})

    def _BucketPolicy(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        self._s3("put_bucket_policy", inputs, Policy=inputs["policy"])

    def _BucketReplicationConfig(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        configuration = pascal({key: inputs[key] for key in ("role", "rules")})
        self._s3("put_bucket_replication", inputs, ReplicationConfiguration=configuration)

    def _Role(self, inputs: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        made = self.client("iam", inputs).create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            MaxSessionDuration=inputs["maxSessionDuration"],
            Description=inputs["description"],
        )["Role"]
        return {"id": made["RoleName"], "arn": made["Arn"]}

    def _RolePolicy(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        self.client("iam", inputs).put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )

    def _Trail(self, inputs: dict[str, Any]) -> None:  # noqa: N802
        trail = self.client("cloudtrail", inputs)
        trail.create_trail(
            Name=inputs["name"],
            S3BucketName=inputs["s3BucketName"],
            IsMultiRegionTrail=inputs["isMultiRegionTrail"],
            IncludeGlobalServiceEvents=inputs["includeGlobalServiceEvents"],
            EnableLogFileValidation=inputs["enableLogFileValidation"],
            KmsKeyId=inputs["kmsKeyId"],
        )
        trail.put_event_selectors(
            TrailName=inputs["name"],
            AdvancedEventSelectors=pascal(inputs["advancedEventSelectors"]),
        )
        if inputs["enableLogging"]:
            trail.start_logging(Name=inputs["name"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    assert DEFAULT_ACCOUNT_ID == ACCOUNT, "moto's own account is the stack's"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        with mock_aws():
            yield


@pytest.fixture(scope="module")
def made(cloud: None, run_aws: Callable[..., Any]) -> Any:
    """The stack, made in moto."""
    return run_aws(answers=Applier(), again="moto")


def s3(bucket: str) -> Any:
    return boto3.client("s3", region_name=BUCKETS[bucket])


def without_policy(bucket: str) -> Any:
    """A client of a bucket whose policy, of which moto ignores the conditions, is set aside."""
    client = s3(bucket)
    client.delete_bucket_policy(Bucket=bucket)
    return client


# Read back


def test_everything_that_was_declared_could_be_made(made: Any, declared: Any) -> None:
    first = {each.urn for each in declared.recording.requests}
    assert {each.urn for each in made.recording.requests} == first
    names = {each["Name"] for each in s3(AUDIT).list_buckets()["Buckets"]}
    assert names == set(BUCKETS)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_where_it_is_said_to_be_versioned_and_closed(made: Any, bucket: str) -> None:
    client = s3(bucket)
    found = client.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    assert found == BUCKETS[bucket]
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    block = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert len(block) == 4
    rules = client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize(("bucket", "days"), [*((each, 38) for each in DATA), (AUDIT, 366)])
def test_a_lock_is_read_back(made: Any, bucket: str, days: int) -> None:
    found = s3(bucket).get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert found["ObjectLockEnabled"] == "Enabled"
    retention = found["Rule"]["DefaultRetention"]
    assert (retention["Mode"], retention["Days"]) == ("COMPLIANCE", days)


@pytest.mark.parametrize("bucket", LOGS)
def test_what_takes_access_logs_has_no_lock_which_s3_would_not_write_into(
    made: Any, bucket: str
) -> None:
    with pytest.raises(ClientError, match="ObjectLockConfigurationNotFoundError"):
        s3(bucket).get_object_lock_configuration(Bucket=bucket)


@pytest.mark.parametrize("bucket", [*DATA, AUDIT])
def test_encryption_is_by_a_key_of_the_buckets_own_region(made: Any, bucket: str) -> None:
    found = s3(bucket).get_bucket_encryption(Bucket=bucket)
    (rule,) = found["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["BucketKeyEnabled"] is True
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    region = BUCKETS[bucket]
    assert default["KMSMasterKeyID"].startswith(f"arn:aws:kms:{region}:{ACCOUNT}:key/")
    kms = boto3.client("kms", region_name=region)
    key = kms.describe_key(KeyId=default["KMSMasterKeyID"])["KeyMetadata"]
    assert (key["Enabled"], key["MultiRegion"]) == (True, False)
    assert kms.get_key_rotation_status(KeyId=default["KMSMasterKeyID"])["KeyRotationEnabled"]


def test_keys_rotate_every_year_and_are_lost_only_after_a_month(declared: Any) -> None:
    """On what was declared: moto tells neither."""
    for each in declared.recording.of("Key"):
        assert each.inputs["rotationPeriodInDays"] == 365
        assert each.inputs["deletionWindowInDays"] == 30


def test_a_customers_key_is_blocked_before_any_policy_is_asked(declared: Any) -> None:
    for each in declared.recording.of("BucketServerSideEncryptionConfiguration"):
        (rule,) = each.inputs["rules"]
        assert rule["blockedEncryptionTypes"] == ["SSE-C"]


def test_no_two_buckets_share_a_key(made: Any) -> None:
    keys = set()
    for bucket in (*DATA, AUDIT):
        found = s3(bucket).get_bucket_encryption(Bucket=bucket)
        (rule,) = found["ServerSideEncryptionConfiguration"]["Rules"]
        keys.add(rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"])
    assert len(keys) == 3


def test_each_key_has_its_alias_and_the_policy_that_was_declared(made: Any) -> None:
    aliases = set()
    for request in made.recording.of("Key"):
        kms = boto3.client("kms", region_name=request.inputs["region"])
        for alias in kms.list_aliases()["Aliases"]:
            if alias["AliasName"].startswith("alias/selfmonitor"):
                aliases.add((request.inputs["region"], alias["AliasName"]))
                policy = kms.get_key_policy(KeyId=alias["TargetKeyId"], PolicyName="default")
                sids = {each["Sid"] for each in json.loads(policy["Policy"])["Statement"]}
                assert "AccountGoverns" in sids
    assert aliases == {
        ("eu-west-2", "alias/selfmonitor-production-first"),
        ("eu-west-2", "alias/selfmonitor-production-audit"),
        ("eu-west-1", "alias/selfmonitor-production-copy"),
    }


def rules_of(bucket: str) -> dict[str, dict[str, Any]]:
    """{rule: what it does} of a bucket's lifecycle."""
    found = s3(bucket).get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    result = {}
    for rule in found:
        assert rule.pop("Status") == "Enabled"
        assert rule.pop("Filter") == {"Prefix": ""}
        result[rule.pop("ID")] = rule
    return result


COMMON = {
    "abandoned-uploads": {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    "markers-of-nothing": {"Expiration": {"ExpiredObjectDeleteMarker": True}},
}


@pytest.mark.parametrize("bucket", DATA)
def test_what_was_deleted_or_overwritten_is_kept_for_as_long_as_one_can_restore(
    made: Any, bucket: str
) -> None:
    """And nothing that is current goes by itself: it may be all there is to restore from."""
    assert rules_of(bucket) == {
        **COMMON,
        "noncurrent-versions": {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
    }


def test_evidence_goes_after_twelve_months_and_not_before(made: Any) -> None:
    assert rules_of(AUDIT) == {
        **COMMON,
        "noncurrent-versions": {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        "expiration": {"Expiration": {"Days": 366}},
    }
    for bucket in LOGS:
        assert rules_of(bucket)["expiration"] == {"Expiration": {"Days": 92}}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_policy_is_read_back_as_it_was_declared(made: Any, bucket: str) -> None:
    found = s3(bucket).get_bucket_policy(Bucket=bucket)["Policy"]
    assert json.loads(found) == json.loads(made.of_bucket("BucketPolicy", bucket)["policy"])


@pytest.mark.parametrize("bucket", DATA)
def test_access_logs_go_below_the_buckets_name(made: Any, bucket: str) -> None:
    found = s3(bucket).get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert (found["TargetBucket"], found["TargetPrefix"]) == (f"{bucket}-logs", f"{bucket}/")


@pytest.mark.parametrize(
    ("bucket", "target", "role"),
    [
        ("acme-ledger-vault", "acme-ledger-vault-copy", "replicator"),
        ("acme-ledger-vault-logs", AUDIT, "logs"),
        ("acme-ledger-vault-copy-logs", AUDIT, "copy-logs"),
    ],
)
def test_replication_is_of_everything_to_one_bucket(
    made: Any, bucket: str, target: str, role: str
) -> None:
    found = s3(bucket).get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    assert found["Role"] == f"arn:aws:iam::{ACCOUNT}:role/selfmonitor-production-{role}"
    (rule,) = found["Rules"]
    assert (rule["ID"], rule["Status"], rule["Priority"]) == ("everything", "Enabled", 1)
    assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{target}"


def test_the_copy_is_encrypted_with_the_second_regions_key_timed_and_measured(
    made: Any,
) -> None:
    """On what was declared: moto does not tell these parts of a rule."""
    (rule,) = made.of_bucket("BucketReplicationConfig", "acme-ledger-vault")["rules"]
    destination = rule["destination"]
    key = destination["encryptionConfiguration"]["replicaKmsKeyId"]
    assert key.startswith(f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/")
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert destination["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert destination["metrics"] == {"status": "Enabled", "eventThreshold": {"minutes": 15}}
    assert rule["deleteMarkerReplication"] == {"status": "Disabled"}


@pytest.mark.parametrize("role", ["writer", "reader", "tester", "follower", "replicator"])
def test_a_roles_trust_and_rights_are_read_back(made: Any, role: str) -> None:
    iam = boto3.client("iam")
    name = f"selfmonitor-production-{role}"
    found = iam.get_role(RoleName=name)["Role"]
    (request,) = [each for each in made.recording.of("Role") if each.inputs["name"] == name]
    assert found["AssumeRolePolicyDocument"] == json.loads(request.inputs["assumeRolePolicy"])
    statements = [
        statement
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"][
            "Statement"
        ]
    ]
    in_order = [json.dumps(each, sort_keys=True) for each in statements]
    expected = [json.dumps(each, sort_keys=True) for each in made.rights(name)]
    assert sorted(in_order) == sorted(expected)


def test_the_trail_sees_every_object_in_both_regions_and_its_files_are_sealed(made: Any) -> None:
    trail = boto3.client("cloudtrail", region_name="eu-west-2")
    name = "selfmonitor-production-vault"
    found = trail.get_trail(Name=name)["Trail"]
    assert found["S3BucketName"] == AUDIT
    assert found["IsMultiRegionTrail"] is True
    assert found["LogFileValidationEnabled"] is True
    assert found["KmsKeyId"].startswith(f"arn:aws:kms:eu-west-2:{ACCOUNT}:key/")
    assert found["TrailARN"] == f"arn:aws:cloudtrail:eu-west-2:{ACCOUNT}:trail/{name}"
    assert trail.get_trail_status(Name=name)["IsLogging"] is True
    selectors = trail.get_event_selectors(TrailName=name)["AdvancedEventSelectors"]
    data, evidence, changes = ({f["Field"]: f for f in s["FieldSelectors"]} for s in selectors)
    assert data["resources.ARN"]["StartsWith"] == [f"arn:aws:s3:::{bucket}/" for bucket in DATA]
    # Neither reading alone nor writing alone.
    assert data.keys() == {"eventCategory", "resources.type", "resources.ARN"}
    assert changes["eventCategory"]["Equals"] == ["Management"]
    # Its own files are no evidence of anything, and each would make the next one.
    assert evidence["resources.ARN"]["StartsWith"] == [f"arn:aws:s3:::{AUDIT}/"]
    assert evidence["eventName"]["NotEquals"] == ["PutObject"]
    logged = {each.inputs["bucket"] for each in made.recording.of("BucketLogging")}
    assert logged == set(DATA), "nor its access logs"


# A lock is a lock


@pytest.mark.parametrize("bucket", [*DATA, AUDIT])
@pytest.mark.parametrize("bypass", [False, True])
def test_a_locked_version_is_deleted_by_nobody(
    made: Any, restored_policy: Callable[[str], Any], bucket: str, bypass: bool
) -> None:
    client = restored_policy(bucket)
    version = client.put_object(
        Bucket=bucket, Key=f"pgbackrest/x-{bypass}", Body=b"backup", ChecksumAlgorithm="CRC32"
    )["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(
            Bucket=bucket,
            Key=f"pgbackrest/x-{bypass}",
            VersionId=version,
            BypassGovernanceRetention=bypass,
        )


@pytest.mark.parametrize("bucket", DATA)
def test_what_is_deleted_is_there_below_its_marker(
    made: Any, restored_policy: Callable[[str], Any], bucket: str
) -> None:
    client = restored_policy(bucket)
    stored = client.put_object(Bucket=bucket, Key="wal", Body=b"segment", ChecksumAlgorithm="CRC32")
    assert client.delete_object(Bucket=bucket, Key="wal")["DeleteMarker"] is True
    found = client.get_object(Bucket=bucket, Key="wal", VersionId=stored["VersionId"])
    assert found["Body"].read() == b"segment"


@pytest.fixture
def restored_policy(made: Any) -> Iterator[Callable[[str], Any]]:
    """A client of a bucket whose policy is set aside, and put back afterwards."""
    aside: list[str] = []

    def client_of(bucket: str) -> Any:
        aside.append(bucket)
        return without_policy(bucket)

    yield client_of
    for bucket in aside:
        policy = made.of_bucket("BucketPolicy", bucket)["policy"]
        s3(bucket).put_bucket_policy(Bucket=bucket, Policy=policy)
