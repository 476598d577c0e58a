"""Spec of aws-replica-key."""

from policy_aws import KEY, OTHER, VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/replication.py"
SELECTED = "rules[0].sourceSelectionCriteria.sseKmsEncryptedObjects.status"
REPLICA_KEY = "rules[0].destination.encryptionConfiguration.replicaKmsKeyId"
FAR_KEY = resource("aws:kms/key:Key", "far-key", {})
ARN = "arn:aws:kms:eu-west-2:123456789012:key/0a1b2c3d"
FAR_ARN = "arn:aws:kms:eu-west-1:123456789012:key/4e5f6071"


def encrypted(key=ARN, algorithm="aws:kms", **more):
    default = {"sseAlgorithm": algorithm, "kmsMasterKeyId": key}
    rule = {"applyServerSideEncryptionByDefault": default}
    kind = "BucketServerSideEncryptionConfiguration"
    return sidecar(kind, {"rules": [rule]}, name="encryption", **more)


def copying(key=FAR_ARN, selected="Enabled", status="Enabled", **more):
    destination = {"bucket": "arn:aws:s3:::acme-other"}
    if key:
        destination["encryptionConfiguration"] = {"replicaKmsKeyId": key}
    rule = {"status": status, "filter": {"prefix": ""}, "destination": destination}
    if selected:
        rule["sourceSelectionCriteria"] = {"sseKmsEncryptedObjects": {"status": selected}}
    return sidecar("BucketReplicationConfig", {"rules": [rule]}, name="copy", **more)


SPEC = Spec(
    passes={
        "two keys, by their ARNs": passes(VAULT, OTHER, encrypted(), copying()),
        "two keys, by reference": passes(
            VAULT, KEY, FAR_KEY, encrypted(UNKNOWN, rules=KEY), copying(UNKNOWN, rules=FAR_KEY)
        ),
        "a rule that is off": passes(VAULT, encrypted(), copying(None, None, "Disabled")),
    },
    fails={
        "one key, by its ARN": fails(VAULT, encrypted(), copying(ARN), at=("copy", REPLICA_KEY)),
        "one key, by reference": fails(
            VAULT,
            KEY,
            encrypted(UNKNOWN, rules=KEY),
            copying(UNKNOWN, rules=KEY),
            at=("copy", REPLICA_KEY),
        ),
        "AWS' own": fails(
            VAULT,
            encrypted(),
            copying("arn:aws:kms:eu-west-1:123456789012:alias/aws/s3"),
            at=("copy", REPLICA_KEY),
        ),
        "nothing is said": fails(
            VAULT,
            encrypted(),
            copying(None, None),
            at=(("copy", REPLICA_KEY), ("copy", SELECTED)),
        ),
        "what is encrypted is left out": fails(
            VAULT, encrypted(), copying(selected="Disabled"), at=("copy", SELECTED)
        ),
    },
    unknown={
        "whose key it is": unseen(VAULT, encrypted(), copying(UNKNOWN), at=("copy", REPLICA_KEY)),
        "what is copied": unseen(VAULT, encrypted(), copying(of=None), at=("copy", "bucket")),
    },
    not_applicable={
        "not encrypted by KMS": passes(VAULT, encrypted(None, "AES256"), copying(None, None)),
        "somebody else's bucket": passes(copying(None, None)),
        "nothing is copied": passes(VAULT, encrypted()),
    },
    mutations={
        "one key": edit(
            "production",
            FILE,
            '{"replica_kms_key_id": target.key.arn}',
            '{"replica_kms_key_id": source.key.arn}',
        ),
        "what is encrypted is left out": edit(
            "production",
            FILE,
            '"sse_kms_encrypted_objects": {"status": "Enabled"}',
            '"sse_kms_encrypted_objects": {"status": "Disabled"}',
        ),
    },
)
