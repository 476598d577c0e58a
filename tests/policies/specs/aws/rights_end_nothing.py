"""Spec of aws-rights-end-nothing."""

from policy_aws import role_policy
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

ACTION = ("rights", "policy.Statement[0].Action")


def rights(*actions, effect="Allow"):
    return role_policy(
        {"Effect": effect, "Action": list(actions), "Resource": "arn:aws:s3:::acme/*"}
    )


SPEC = Spec(
    passes={
        "markers are set": passes(rights("s3:PutObject", "s3:DeleteObject")),
        "it is refused": passes(rights("s3:DeleteObjectVersion", effect="Deny")),
    },
    fails={
        "versions are deleted": fails(rights("s3:DeleteObjectVersion"), at=ACTION),
        "locks are bypassed": fails(rights("S3:bypassGovernanceRetention"), at=ACTION),
        "a key is deleted": fails(rights("kms:Decrypt", "kms:ScheduleKeyDeletion"), at=ACTION),
        "by a pattern": fails(rights("s3:DeleteObject*"), at=ACTION),
    },
    unknown={
        "what it says": unseen(
            resource("aws:iam/policy:Policy", "p", {"policy": UNKNOWN}), at=("p", "policy")
        )
    },
    overridden={
        "another one": configured(
            {"actions": ["sqs:PurgeQueue"]}, fails(rights("sqs:PurgeQueue"), at=ACTION)
        ),
        "none of these": configured(
            {"actions": ["sqs:PurgeQueue"]}, passes(rights("s3:DeleteObjectVersion"))
        ),
    },
    not_applicable={
        "of a bucket": passes(
            resource("aws:s3/bucketPolicy:BucketPolicy", "p", {"policy": '{"Statement": []}'})
        )
    },
    mutations={
        "writers delete versions": edit(
            "production",
            "components/vault_place.py",
            '*("s3:PutObject", "s3:DeleteObject"),',
            '*("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),',
        ),
        "locks are bypassed": edit(
            "production",
            "components/aws/policies.py",
            '_allow(("s3:DeleteObject",), f"{bucket_arn(bucket)}/*")',
            '_allow(("s3:BypassGovernanceRetention",), f"{bucket_arn(bucket)}/*")',
        ),
        "deletions are replicated": edit(
            "production",
            "components/aws/policies.py",
            '_allow(("s3:ReplicateObject", "s3:ReplicateTags")',
            '_allow(("s3:ReplicateObject", "s3:ReplicateDelete")',
        ),
    },
)
