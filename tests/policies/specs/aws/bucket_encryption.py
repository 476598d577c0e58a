"""Spec of aws-bucket-encryption."""

from policy_aws import (
    KEY,
    LETS_LOGS_IN,
    LOGGED,
    LOGS,
    UNTOLD_LOGGING,
    VAULT,
    sidecar,
)
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

FILE = "components/aws/bucket.py"
DEFAULT = "rules[0].applyServerSideEncryptionByDefault"
OWN_KEY = "arn:aws:kms:eu-west-2:123456789012:key/0a1b2c3d"


def encryption(default, bucket_key=True, **more):
    rule = {"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": bucket_key}
    return sidecar("BucketServerSideEncryptionConfiguration", {"rules": [rule]}, **more)


def kms(key=OWN_KEY, algorithm="aws:kms", **more):
    return encryption({"sseAlgorithm": algorithm, "kmsMasterKeyId": key}, **more)


SPEC = Spec(
    passes={
        "with a key from elsewhere": passes(VAULT, kms()),
        "with the program's own key, at preview": passes(VAULT, KEY, kms(UNKNOWN, rules=KEY)),
        "in two layers, which have no bucket keys": passes(
            VAULT, kms(algorithm="aws:kms:dsse", bucket_key=False)
        ),
        "with S3's own, where access logs go": passes(
            VAULT, kms(), LOGS, LOGGED, encryption({"sseAlgorithm": "AES256"}, of=LOGS, name="l")
        ),
        "the same, where the policy alone says so": passes(
            VAULT, LETS_LOGS_IN, encryption({"sseAlgorithm": "AES256"})
        ),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketServerSideEncryptionConfiguration")),
        "without rules": fails(
            VAULT,
            sidecar("BucketServerSideEncryptionConfiguration", {"rules": []}),
            at=("vault", "rules of side"),
        ),
        "with S3's own": fails(
            VAULT,
            encryption({"sseAlgorithm": "AES256"}),
            at=("vault", f"{DEFAULT}.sseAlgorithm of side"),
        ),
        "with AWS' key, as nothing is said": fails(
            VAULT,
            encryption({"sseAlgorithm": "aws:kms"}),
            at=("vault", f"{DEFAULT}.kmsMasterKeyId of side"),
        ),
        "with AWS' key, by its alias": fails(
            VAULT,
            kms("arn:aws:kms:eu-west-2:123456789012:alias/aws/s3"),
            at=("vault", f"{DEFAULT}.kmsMasterKeyId of side"),
        ),
        "with a request to KMS for each object": fails(
            VAULT, kms(bucket_key=False), at=("vault", "rules[0].bucketKeyEnabled of side")
        ),
    },
    unknown={
        "whose key it is": unseen(
            VAULT, KEY, kms(UNKNOWN), at=("vault", f"{DEFAULT}.kmsMasterKeyId of side")
        ),
        "how": unseen(
            VAULT,
            encryption({"sseAlgorithm": UNKNOWN}),
            at=("vault", f"{DEFAULT}.sseAlgorithm of side"),
        ),
        "of which bucket": unseen(VAULT, kms(of=None), at=("vault", "bucket of side")),
        "where access logs go": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    overridden={
        "S3's own will do": configured(
            {"algorithms": ["AES256", "aws:kms"]},
            passes(VAULT, encryption({"sseAlgorithm": "AES256"}, bucket_key=False)),
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "with S3's own": edit(
            "production",
            FILE,
            '{"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn}',
            '{"sse_algorithm": "AES256"}',
        ),
        "with AWS' key": edit("production", FILE, ', "kms_master_key_id": key.arn}', "}"),
        "with a request to KMS for each object": edit(
            "production",
            FILE,
            '"bucket_key_enabled": key is not None',
            '"bucket_key_enabled": False',
        ),
    },
)
