"""Spec of aws-trail-key."""

from policy_aws import TRAIL
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen


def trail(**properties):
    return resource(TRAIL, "trail", properties)


SPEC = Spec(
    passes={
        "a key": passes(trail(kmsKeyId="arn:aws:kms:eu-west-2:123456789012:key/0a1b2c3d")),
        "a key, by its alias": passes(trail(kmsKeyId="alias/audit")),
    },
    fails={
        "none": fails(trail(), at=("trail", "kmsKeyId")),
        "AWS' own": fails(trail(kmsKeyId="alias/aws/cloudtrail"), at=("trail", "kmsKeyId")),
    },
    unknown={"which": unseen(trail(kmsKeyId=UNKNOWN), at=("trail", "kmsKeyId"))},
    not_applicable={"a bucket": passes(resource("aws:s3/bucket:Bucket", "trail", {}))},
    mutations={
        "none": edit(
            "production", "components/aws/audit.py", "            kms_key_id=key.arn,\n", ""
        )
    },
)
