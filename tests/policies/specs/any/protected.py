"""Spec of any-protected."""

from policy_spec import Spec, edit, fails, passes, resource

SPEC = Spec(
    passes={
        "protected": passes(resource("aws:s3/bucket:Bucket", "vault", protect=True)),
        "a database": passes(resource("aws:rds/instance:Instance", "db", protect=True)),
    },
    fails={
        "a bucket": fails(
            resource("aws:s3/bucketV2:BucketV2", "vault"), at=("vault", "option protect")
        ),
        "a key": fails(resource("aws:kms/key:Key", "vault"), at=("vault", "option protect")),
        "a database": fails(
            resource("aws:rds/cluster:Cluster", "db", {"masterPassword": "Pa55word!"}),
            at=("db", "option protect"),
        ),
    },
    always_known="an option of the resource stands in the program",
    not_applicable={"holds nothing": passes(resource("aws:iam/role:Role", "vault"))},
    mutations={
        "nothing is protected": edit(
            "production", "components/aws/region.py", "            protect=True,\n", ""
        )
    },
)
