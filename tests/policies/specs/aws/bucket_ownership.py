"""Spec of aws-bucket-ownership."""

from policy_aws import VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen


def controls(ownership):
    return sidecar("BucketOwnershipControls", {"rule": {"objectOwnership": ownership}})


SPEC = Spec(
    passes={"no access lists": passes(VAULT, controls("BucketOwnerEnforced"))},
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketOwnershipControls")),
        "who writes owns": fails(
            VAULT, controls("ObjectWriter"), at=("vault", "rule.objectOwnership of side")
        ),
        "nothing is said": fails(
            VAULT, sidecar("BucketOwnershipControls"), at=("vault", "rule.objectOwnership of side")
        ),
    },
    unknown={
        "who owns": unseen(VAULT, controls(UNKNOWN), at=("vault", "rule.objectOwnership of side"))
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "who writes owns": edit(
            "production", "components/aws/bucket.py", "BucketOwnerEnforced", "ObjectWriter"
        )
    },
)
