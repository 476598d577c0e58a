"""A region of an account, and how what holds data in it is guarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Region:
    """name: of the region. tags: of every resource in it. provider: of this region alone, so that
    `up` reaches one region while the other does not answer.
    """

    name: str
    tags: Mapping[str, str]
    provider: aws.Provider

    @staticmethod
    def make(
        name: str,
        account_id: str,
        tags: Mapping[str, str],
        resource_name: str,
        parent: pulumi.Resource,
    ) -> "Region":
        """With a provider that refuses credentials of any other account."""
        provider = aws.Provider(
            resource_name,
            region=name,
            allowed_account_ids=[account_id],
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return Region(name, tags, provider)

    def options(
        self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Of what holds no data and is made again in a moment."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(after))

    def guarded(
        self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Of what holds data, and of what protects it: a bucket that is kept without its lock, its
        policy and its encryption would be kept badly.

        Neither a mistake in the program nor `destroy` removes it: `pulumi state unprotect` first,
        and what then leaves the state stays in the account.
        """
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=list(after),
            protect=True,
            retain_on_delete=True,
        )
