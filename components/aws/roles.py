"""Roles that the stack's workloads take on by web identity, each with the least it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.names import Names
from components.aws.policies import (
    Statement,
    document,
    may_follow,
    may_use_key,
    may_work_in,
    trust_web_identity,
)
from components.aws.region import Region
from settings.vault import WebIdentitySettings

DECRYPT = "kms:Decrypt"
ENCRYPT = "kms:GenerateDataKey"
# Completing an upload in parts reads what was encrypted for its parts.
WRITES = (DECRYPT, ENCRYPT)
READS = (DECRYPT,)
# pgBackRest asks for no particular time and renews by itself; an hour is what AWS gives then.
SESSION_SECONDS = 3600


@dataclass(frozen=True)
class Site:
    """A region's bucket, by name, and what encrypts it."""

    region: str
    bucket: str
    key: aws.kms.Key


@dataclass(frozen=True)
class Work:
    """What a role does at one site. actions: with its key."""

    site: str
    statements: Sequence[Statement]
    actions: tuple[str, ...]


def work_of(bucket: str, copy: str | None, *, seeding: bool) -> dict[str, tuple[Work, ...]]:
    """{role: its work at the sites `first` and `copy`}. copy: None without a second region.

    seeding: the stack begins with what the copy holds, and one job fills the vault from it.
    """
    found: dict[str, tuple[Work, ...]] = {
        "writer": (Work("first", may_work_in(bucket, "writer"), WRITES),),
        "reader": (Work("first", may_work_in(bucket, "reader"), READS),),
        "tester": (Work("first", may_work_in(bucket, "tester"), WRITES),),
    }
    if copy is not None:
        # Both keys to look at an object, whose content its own encryption keeps from this role.
        found["follower"] = (
            Work("first", may_work_in(bucket, "reader"), READS),
            Work("copy", may_follow(copy), READS),
        )
        if seeding:
            found["seeder"] = (
                Work("first", may_work_in(bucket, "writer"), WRITES),
                Work("copy", may_work_in(copy, "reader"), READS),
            )
    return found


def key_users(work: Mapping[str, Sequence[Work]], site: str) -> dict[str, list[str]]:
    """{action of KMS: the roles that need it at a site}."""
    found: dict[str, list[str]] = {}
    for role, places in work.items():
        for each in places:
            for action in each.actions if each.site == site else ():
                found.setdefault(action, []).append(role)
    return found


def make_roles(
    name: str,
    work: Mapping[str, Sequence[Work]],
    sites: Mapping[str, Site],
    identity: WebIdentitySettings,
    names: Names,
    region: Region,
    parent: pulumi.Resource,
) -> tuple[pulumi.Resource, ...]:
    """One role for each entry of `work`; returns their rights, for what must wait for them.

    What a role may do in a bucket and with a key are two policies: of the first all is known before
    the key exists, so that a preview can judge it.
    """
    rights: list[pulumi.Resource] = []
    for role, places in work.items():
        made = aws.iam.Role(
            f"{name}-{role}",
            name=names.role(role),
            description=f"The {role} of stack {names.stack}'s backups",
            assume_role_policy=trust_web_identity(
                identity.provider_arn,
                identity.issuer,
                identity.namespace,
                identity.accounts[role],
            ),
            max_session_duration=SESSION_SECONDS,
            tags=region.tags,
            opts=region.options(parent),
        )
        for each in places:
            site = sites[each.site]
            rights.append(
                aws.iam.RolePolicy(
                    f"{name}-{role}-{each.site}-objects",
                    name=f"{each.site}-objects",
                    role=made.name,
                    policy=document(each.statements),
                    opts=region.options(parent),
                )
            )
            rights.append(
                aws.iam.RolePolicy(
                    f"{name}-{role}-{each.site}-key",
                    name=f"{each.site}-key",
                    role=made.name,
                    policy=_with_key(site, each.actions),
                    opts=region.options(parent),
                )
            )
    return tuple(rights)


def _with_key(site: Site, actions: tuple[str, ...]) -> pulumi.Output[str]:
    arn: pulumi.Output[str] = site.key.arn
    return arn.apply(lambda known: document([may_use_key(known, site.region, actions)]))
