"""Names and ARNs of what the vault is made of on AWS.

They follow from settings alone, so that a policy is known before what it speaks of exists.
"""

from dataclasses import dataclass

import pulumi

# An IAM role's name has at most 64 characters (https://docs.aws.amazon.com/IAM/latest/APIReference/
# API_CreateRole.html): `selfmonitor-`, the stack, and up to 11 for what it is for.
LONGEST_STACK = 40


@dataclass(frozen=True)
class Names:
    """account_id: twelve digits. bucket: the first region's, with which the others' begin."""

    stack: str
    account_id: str
    bucket: str

    def __post_init__(self) -> None:
        if len(self.stack) > LONGEST_STACK:
            raise pulumi.RunError(
                f"stack {self.stack} has a name of {len(self.stack)} characters: on AWS it may "
                f"have {LONGEST_STACK}, since roles are named after it"
            )

    def role(self, name: str) -> str:
        """Name of a role."""
        return f"selfmonitor-{self.stack}-{name}"

    def role_arn(self, name: str) -> str:
        """ARN of the role of that name."""
        return f"arn:aws:iam::{self.account_id}:role/{self.role(name)}"

    @property
    def root(self) -> str:
        """The account itself, to which a policy may leave a decision."""
        return f"arn:aws:iam::{self.account_id}:root"

    @property
    def trail(self) -> str:
        """Name of the trail."""
        return f"selfmonitor-{self.stack}-vault"

    def trail_arn(self, region: str) -> str:
        """ARN of the trail, which is at home in a region."""
        return f"arn:aws:cloudtrail:{region}:{self.account_id}:trail/{self.trail}"


def bucket_arn(bucket: str) -> str:
    """Buckets' names are unique in the partition, and their ARNs have nothing else in them."""
    return f"arn:aws:s3:::{bucket}"
