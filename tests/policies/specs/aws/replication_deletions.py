"""Spec of aws-replication-deletions."""

from policy_aws import sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

STATUS = "rules[0].deleteMarkerReplication.status"


def copying(status="Enabled", **deletions):
    return sidecar("BucketReplicationConfig", {"rules": [{"status": status, **deletions}]}, of=None)


SPEC = Spec(
    passes={
        "not copied": passes(copying(deleteMarkerReplication={"status": "Disabled"})),
        "a rule that is off": passes(copying("Disabled")),
    },
    fails={
        "copied": fails(
            copying(deleteMarkerReplication={"status": "Enabled"}), at=("side", STATUS)
        ),
        "a rule of the first kind": fails(copying(prefix=""), at=("side", STATUS)),
    },
    unknown={
        "whether they are": unseen(
            copying(deleteMarkerReplication={"status": UNKNOWN}), at=("side", STATUS)
        )
    },
    not_applicable={"a bucket": passes(resource("aws:s3/bucket:Bucket", "vault", {}))},
    mutations={
        "copied": edit(
            "production",
            "components/aws/replication.py",
            '"delete_marker_replication": {"status": "Disabled"}',
            '"delete_marker_replication": {"status": "Enabled"}',
        )
    },
)
