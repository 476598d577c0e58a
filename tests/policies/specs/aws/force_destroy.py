"""Spec of aws-force-destroy."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

BUCKET = "aws:s3/bucket:Bucket"

SPEC = Spec(
    passes={
        "not": passes(resource(BUCKET, "vault", {"forceDestroy": False})),
        "nothing is said": passes(resource(BUCKET, "vault", {})),
        "a last snapshot": passes(
            resource("aws:rds/instance:Instance", "db", {"skipFinalSnapshot": False})
        ),
    },
    fails={
        "a bucket": fails(
            resource(BUCKET, "vault", {"forceDestroy": True}), at=("vault", "forceDestroy")
        ),
        "images": fails(
            resource("aws:ecr/repository:Repository", "images", {"forceDelete": True}),
            at=("images", "forceDelete"),
        ),
        "no last snapshot": fails(
            resource("aws:rds/cluster:Cluster", "db", {"skipFinalSnapshot": True}),
            at=("db", "skipFinalSnapshot"),
        ),
    },
    unknown={
        "whether": unseen(
            resource(BUCKET, "vault", {"forceDestroy": UNKNOWN}), at=("vault", "forceDestroy")
        )
    },
    not_applicable={
        "holds nothing": passes(resource("aws:route53/zone:Zone", "z", {"forceDestroy": True}))
    },
    mutations={
        "a bucket": edit(
            "production", "components/aws/bucket.py", "force_destroy=False", "force_destroy=True"
        )
    },
)
