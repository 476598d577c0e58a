"""A key of KMS that rotates, and that nobody loses by accident."""

import pulumi
import pulumi_aws as aws

from components.aws.policies import Statement, document
from components.aws.region import Region

# What PCI DSS 3.7.4 calls the key's cryptoperiod: KMS' own default, and at most what is customary.
ROTATION_DAYS = 365


def make_key(
    name: str,
    alias: str,
    description: str,
    statements: list[Statement],
    deletion_window_days: int,
    region: Region,
    parent: pulumi.Resource,
) -> aws.kms.Key:
    """The key and its alias, `alias/<alias>`. It belongs to its region alone."""
    key = aws.kms.Key(
        name,
        description=description,
        enable_key_rotation=True,
        rotation_period_in_days=ROTATION_DAYS,
        deletion_window_in_days=deletion_window_days,
        multi_region=False,
        policy=document(statements),
        region=region.name,
        tags=region.tags,
        opts=region.guarded(parent),
    )
    aws.kms.Alias(
        f"{name}-alias",
        name=f"alias/{alias}",
        target_key_id=key.key_id,
        region=region.name,
        opts=region.options(parent),
    )
    return key
