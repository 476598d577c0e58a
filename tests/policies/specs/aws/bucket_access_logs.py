"""Spec of aws-bucket-access-logs."""

from policy_aws import (
    LETS_LOGS_IN,
    LOGGED,
    LOGS,
    OTHER,
    TRAILED,
    UNTOLD_LOGGING,
    VAULT,
    sidecar,
)
from policy_spec import Spec, edit, fails, passes, resource, unseen

SPEC = Spec(
    passes={
        "to a bucket that has none itself": passes(VAULT, LOGS, LOGGED),
        "it takes others' logs, as its policy says": passes(VAULT, LETS_LOGS_IN),
        "a trail writes there": passes(VAULT, TRAILED),
    },
    fails={
        "there are none": fails(VAULT, at=("vault", "BucketLogging")),
        "of another bucket": fails(VAULT, LOGS, LOGGED, OTHER, at=("other", "BucketLogging")),
    },
    unknown={
        "whose they are": unseen(
            VAULT,
            LOGS,
            sidecar("BucketLogging", {"targetBucket": "acme-logs"}, of=None),
            at=("vault", "bucket of side"),
        ),
        "where they go": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "there are none": edit("production", "components/vault_aws.py", "logs=logs,", "logs=None,"),
        "of the wrong bucket": edit(
            "production",
            "components/aws/bucket.py",
            "bucket=self.id,\n            target_bucket=logs.id",
            "bucket=logs.id,\n            target_bucket=logs.id",
        ),
    },
)
