"""Spec of aws-allowed-regions."""

from policy_spec import (
    UNKNOWN,
    Registration,
    Spec,
    configured,
    edit,
    fails,
    passes,
    resource,
    unseen,
)

BUCKET = "aws:s3/bucket:Bucket"
PROVIDER = "pulumi:providers:aws"
AT = ("vault", "region")


def provider(region):
    urn = "urn:pulumi:production::shop::pulumi:providers:aws::cloud"
    return Registration(PROVIDER, "cloud", urn, {"region": region} if region else {})


def bucket(**options):
    properties = {"region": options.pop("region")} if "region" in options else {}
    return resource(BUCKET, "vault", properties, **options)


ABROAD = provider("us-east-1")
OF_ABROAD = f"{ABROAD.urn}::id"


def plan(arn):
    rules = [{"copyActions": [{"destinationVaultArn": arn}]}]
    return resource("aws:backup/plan:Plan", "plan", {"rules": rules})


SPEC = Spec(
    passes={
        "a resource's own": passes(bucket(region="eu-west-2")),
        "a provider's": passes(provider("eu-central-1")),
        "in none": passes(resource("aws:iam/role:Role", "app", {})),
        "copied to an allowed one": passes(
            plan("arn:aws:backup:eu-west-1:123456789012:backup-vault:far")
        ),
    },
    fails={
        "a resource's own": fails(bucket(region="us-east-1"), at=AT),
        "a provider's": fails(ABROAD, at=("cloud", "region")),
        "both, which is said once": fails(
            ABROAD, bucket(region="us-east-1", provider=OF_ABROAD), at=("cloud", "region")
        ),
        "a provider says none": fails(provider(None), at=("cloud", "region")),
        "a table is copied": fails(
            resource("aws:dynamodb/table:Table", "t", {"replicas": [{"regionName": "us-east-1"}]}),
            at=("t", "replicas[0].regionName"),
        ),
        "backups are copied": fails(
            plan("arn:aws:backup:us-east-1:123456789012:backup-vault:far"),
            at=("plan", "rules[0].copyActions[0].destinationVaultArn"),
        ),
    },
    unknown={
        "a resource's own": unseen(bucket(region=UNKNOWN), at=AT),
        "a provider's": unseen(provider(UNKNOWN), at=("cloud", "region")),
        "where backups are copied": unseen(
            plan(UNKNOWN), at=("plan", "rules[0].copyActions[0].destinationVaultArn")
        ),
    },
    overridden={
        "others": configured({"regions": ["us-east-1"]}, passes(ABROAD)),
        "only one": configured(
            {"regions": ["eu-west-2"]}, fails(bucket(region="eu-west-1"), at=AT)
        ),
    },
    not_applicable={
        "of somebody else": passes(
            resource("gcp:storage/bucket:Bucket", "b", {"region": "us-east1"})
        )
    },
    mutations={
        "the first region": edit(
            "production",
            "components/vault_aws.py",
            'self._region("first", settings.region)',
            'self._region("first", "us-east-1")',
        ),
        "one resource": edit(
            "production",
            "components/aws/key.py",
            "multi_region=False,\n        policy=document(statements),\n        region=region.name",
            'multi_region=False,\n        policy=document(statements),\n        region="us-east-1"',
        ),
    },
)
