"""Spec of aws-required-tags."""

import json

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

TAGS = {"Project": "shop", "Stack": "live", "Component": "vault"}
PROVIDER = Registration(
    "pulumi:providers:aws",
    "tagging",
    "urn:pulumi:production::shop::pulumi:providers:aws::tagging",
    {
        "region": "eu-west-2",
        "defaultTags": json.dumps({"tags": {"Project": "shop", "Stack": "live"}}),
    },
)
BY_PROVIDER = f"{PROVIDER.urn}::id"


def bucket(tags=None, **options):
    return resource("aws:s3/bucket:Bucket", "vault", {"tags": tags} if tags else {}, **options)


SPEC = Spec(
    passes={
        "all of them": passes(bucket(TAGS)),
        "with values that come later": passes(bucket({**TAGS, "Stack": UNKNOWN})),
        "some are the provider's": passes(
            PROVIDER, bucket({"Component": "vault"}, provider=BY_PROVIDER)
        ),
    },
    fails={
        "one is missing": fails(
            bucket({"Project": "shop", "Stack": "live"}), at=("vault", "tags.Component")
        ),
        "none": fails(
            resource("aws:rds/instance:Instance", "db", {}),
            at=tuple(("db", f"tags.{tag}") for tag in TAGS),
        ),
        "one is missing, and not the provider's": fails(
            PROVIDER, bucket(provider=BY_PROVIDER), at=("vault", "tags.Component")
        ),
    },
    unknown={"which": unseen(bucket(UNKNOWN), at=("vault", "tags"))},
    overridden={
        "others": configured(
            {"tags": ["CostCentre"]}, fails(bucket(TAGS), at=("vault", "tags.CostCentre"))
        ),
        "none": configured({"tags": []}, passes(bucket())),
    },
    not_applicable={"takes none": passes(resource("aws:iam/rolePolicy:RolePolicy", "r", {}))},
    mutations={
        "one is missing": edit(
            "production",
            "components/vault_aws.py",
            '            "Component": "backup-vault",\n',
            "",
        ),
        "a key has none": edit(
            "production", "components/aws/key.py", "        tags=region.tags,\n", ""
        ),
    },
)
