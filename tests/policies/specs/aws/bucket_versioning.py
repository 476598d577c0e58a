"""Spec of aws-bucket-versioning."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
STATUS = "versioningConfiguration.status of vault-versioning"

VAULT = resource(BUCKET, "vault", {"bucket": "acme-vault"})
NAMELESS = resource(BUCKET, "vault", {})
OTHER = resource(BUCKET, "other", {"bucket": "acme-other"})


def versioning(of, bucket, status="Enabled", name="vault-versioning"):
    return resource(
        VERSIONING,
        name,
        {"bucket": bucket, "versioningConfiguration": {"status": status}},
        taken_from={"bucket": of} if of else {},
    )


SPEC = Spec(
    passes={
        "joined by its name": passes(VAULT, versioning(None, "acme-vault")),
        "joined by reference at preview": passes(VAULT, versioning(VAULT, UNKNOWN)),
        "of a bucket that AWS names": passes(NAMELESS, versioning(NAMELESS, UNKNOWN)),
        "of version 6": passes(
            resource("aws:s3/bucketV2:BucketV2", "vault", {"bucket": "acme-vault"}),
            resource(
                "aws:s3/bucketVersioningV2:BucketVersioningV2",
                "vault-versioning",
                {"bucket": "acme-vault", "versioningConfiguration": {"status": "Enabled"}},
            ),
        ),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketVersioning")),
        "it is suspended": fails(
            VAULT, versioning(VAULT, UNKNOWN, "Suspended"), at=("vault", STATUS)
        ),
        "it is another bucket's, by name": fails(
            VAULT, versioning(None, "acme-other"), at=("vault", "BucketVersioning")
        ),
        "it is another bucket's, by reference": fails(
            VAULT,
            OTHER,
            versioning(OTHER, UNKNOWN, name="other-versioning"),
            at=("vault", "BucketVersioning"),
        ),
        "its name is made of the bucket's, but is another": fails(
            VAULT, versioning(VAULT, "acme-vault-logs"), at=("vault", "BucketVersioning")
        ),
    },
    unknown={
        "the status": unseen(
            VAULT,
            versioning(VAULT, "acme-vault", UNKNOWN),
            at=("vault", "versioningConfiguration.status"),
        ),
        "whose it is": unseen(
            VAULT, versioning(None, UNKNOWN), at=("vault", "bucket of vault-versioning")
        ),
        "which of two it is of": unseen(
            VAULT,
            OTHER,
            versioning((VAULT, OTHER), UNKNOWN),
            at=(
                ("vault", "bucket of vault-versioning"),
                ("other", "bucket of vault-versioning"),
            ),
        ),
    },
    not_applicable={
        "no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {})),
        "versions of what somebody else made": passes(versioning(None, "acme-vault")),
    },
    mutations={
        "suspended": edit(
            "production",
            "components/aws/bucket.py",
            'versioning_configuration={"status": "Enabled"}',
            'versioning_configuration={"status": "Suspended"}',
        ),
        "all of one bucket": edit(
            "production",
            "components/aws/bucket.py",
            'f"{self._name}-versioning",\n            bucket=self.id,',
            'f"{self._name}-versioning",\n            bucket="acme-ledger-vault",',
        ),
    },
)
