"""Spec of aws-replication-metrics."""

from policy_aws import sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

STATUS = "rules[0].destination.metrics.status"


def copying(metrics, status="Enabled"):
    rule = {"status": status, "destination": {"bucket": "arn:aws:s3:::acme-other", **metrics}}
    return sidecar("BucketReplicationConfig", {"rules": [rule]}, of=None)


SPEC = Spec(
    passes={
        "measured": passes(copying({"metrics": {"status": "Enabled"}})),
        "a rule that is off": passes(copying({}, "Disabled")),
    },
    fails={
        "not": fails(copying({"metrics": {"status": "Disabled"}}), at=("side", STATUS)),
        "nothing is said": fails(copying({}), at=("side", STATUS)),
    },
    unknown={
        "whether it is": unseen(copying({"metrics": {"status": UNKNOWN}}), at=("side", STATUS)),
        "which rules there are": unseen(
            sidecar("BucketReplicationConfig", {"rules": UNKNOWN}), at=("side", "rules")
        ),
    },
    not_applicable={"a bucket": passes(resource("aws:s3/bucket:Bucket", "vault", {}))},
    mutations={
        "not": edit(
            "production",
            "components/aws/replication.py",
            '"metrics": {"status": "Enabled", ',
            '"metrics": {"status": "Disabled", ',
        )
    },
)
