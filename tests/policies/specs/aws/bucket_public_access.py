"""Spec of aws-bucket-public-access."""

from policy_aws import OTHER, VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/bucket.py"
FLAGS = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}


def block(of=VAULT, **flags):
    return sidecar("BucketPublicAccessBlock", {**FLAGS, **flags}, of=of)


SPEC = Spec(
    passes={"all four": passes(VAULT, block())},
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketPublicAccessBlock")),
        "one is false": fails(
            VAULT, block(blockPublicPolicy=False), at=("vault", "blockPublicPolicy of side")
        ),
        "nothing is said": fails(
            VAULT,
            sidecar("BucketPublicAccessBlock"),
            at=tuple(("vault", f"{flag} of side") for flag in FLAGS),
        ),
        "it is another bucket's": fails(
            VAULT, OTHER, block(of=OTHER), at=("vault", "BucketPublicAccessBlock")
        ),
    },
    unknown={
        "a flag": unseen(
            VAULT, block(ignorePublicAcls=UNKNOWN), at=("vault", "ignorePublicAcls of side")
        ),
        "of which bucket": unseen(VAULT, block(of=None), at=("vault", "bucket of side")),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        flag: edit("production", FILE, f"{flag}=True", f"{flag}=False")
        for flag in (
            *("block_public_acls", "block_public_policy"),
            *("ignore_public_acls", "restrict_public_buckets"),
        )
    },
)
