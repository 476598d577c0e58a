"""Spec of aws-log-copies."""

from policy_aws import LETS_LOGS_IN, LOGGED, LOGS, UNTOLD_LOGGING, VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen


def copying(status="Enabled", prefix="", of=LOGS):
    rule = {
        "status": status,
        "filter": {"prefix": prefix},
        "destination": {"bucket": "arn:aws:s3:::acme-audit"},
    }
    return sidecar("BucketReplicationConfig", {"rules": [rule]}, of=of)


SPEC = Spec(
    passes={
        "copied": passes(VAULT, LOGS, LOGGED, copying()),
        "copied, where the policy alone says that they are logs": passes(
            VAULT, LETS_LOGS_IN, copying(of=VAULT)
        ),
    },
    fails={
        "not copied": fails(VAULT, LOGS, LOGGED, at=("logs", "BucketReplicationConfig")),
        "not any more": fails(
            VAULT, LOGS, LOGGED, copying("Disabled"), at=("logs", "rules of side")
        ),
        "a part": fails(VAULT, LOGS, LOGGED, copying(prefix="2024/"), at=("logs", "rules of side")),
    },
    unknown={
        "whether it is on": unseen(
            VAULT, LOGS, LOGGED, copying(UNKNOWN), at=("logs", "rules[0].status of side")
        ),
        "whether there are logs": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    not_applicable={
        "no logs": passes(VAULT),
        "no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {})),
    },
    mutations={
        "those of one region are not": edit(
            "production",
            "components/vault_aws.py",
            '            logs["copy-logs"] = (second_logs, second)\n',
            "",
        ),
        "none are": edit(
            "production",
            "components/aws/audit.py",
            "for role, (source, where) in logs.items():",
            "for role, (source, where) in ():",
        ),
    },
)
