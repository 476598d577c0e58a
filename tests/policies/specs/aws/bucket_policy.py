"""Spec of aws-bucket-policy."""

from policy_aws import OTHER, VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

SPEC = Spec(
    passes={
        "whatever it says": passes(VAULT, sidecar("BucketPolicy", {"policy": "{}"})),
        "as long as it is not known": passes(VAULT, sidecar("BucketPolicy", {"policy": UNKNOWN})),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketPolicy")),
        "it is another bucket's": fails(
            VAULT, OTHER, sidecar("BucketPolicy", of=OTHER), at=("vault", "BucketPolicy")
        ),
    },
    unknown={
        "of which bucket": unseen(
            VAULT, sidecar("BucketPolicy", of=None), at=("vault", "bucket of side")
        )
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "there is none": edit(
            "production", "components/aws/bucket.py", "            self._policy(closed),\n", ""
        )
    },
)
