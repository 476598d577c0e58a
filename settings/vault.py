"""Where a stack's backups are kept: the embedded server, AWS, or another S3 that is there already.

One model a kind; `kind` says which one is meant, and left out means the embedded one.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    field_validator,
    model_validator,
)

from settings.base import Settings
from settings.values import ANYWHERE, Network, Port

# What the names of the buckets beside the first region's are made of; the longest bounds the name.
SUFFIXES = ("copy", "logs", "copy-logs", "audit")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
LONGEST_BUCKET = 63
BUCKET = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3", "-an")

AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,2}-\d{1,2}")
# pgBackRest asks sts.amazonaws.com for its role's credentials, whatever the region
# (pgBackRest 2.55, src/storage/s3/storage.c), and that knows only this partition's roles.
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eusc-", "eu-isoe-")

PRINCIPAL = re.compile(r"arn:aws:iam::\d{12}:(role|user)/[\w+=,.@/-]{1,512}")
PROVIDER = re.compile(r"arn:aws:iam::(\d{12}):oidc-provider/(\S+)")
# Kubernetes' DNS labels: namespaces and service accounts.
LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

DAYS_OF_TWELVE_MONTHS = 366


def must_be_bucket(name: str) -> str:
    """A bucket's name that is legal at every S3, and that a certificate of `*.host` covers."""
    reason = None
    if not 3 <= len(name) <= LONGEST_BUCKET:
        reason = f"3 to {LONGEST_BUCKET} characters, not {len(name)}"
    elif "." in name:
        reason = "no dots: no certificate would cover the bucket's host name"
    elif not BUCKET.fullmatch(name):
        reason = "lower-case letters, digits and hyphens, a letter or digit at both ends"
    elif name.startswith(RESERVED_PREFIXES) or name.endswith(RESERVED_SUFFIXES):
        reason = "it begins or ends with what S3 keeps for itself"
    if reason:
        raise ValueError(f"{name!r} is no legal bucket name: {reason}")
    return name


def must_be_aws_region(region: str) -> str:
    """A region of the partition `aws`, by its shape: new ones need no new release."""
    if region.startswith(OTHER_PARTITIONS):
        raise ValueError(
            f"{region} is outside the partition `aws`: pgBackRest finds its role's credentials "
            "only at sts.amazonaws.com"
        )
    if not AWS_REGION.fullmatch(region):
        raise ValueError(f"{region!r} is no region of AWS, such as eu-west-2")
    return region


def must_be_https(endpoint: str) -> str:
    """https://host or https://host:port, and nothing behind it."""
    parts = urlsplit(endpoint)
    try:
        port = parts.port
    except ValueError:
        port = 0
    bare = f"https://{parts.hostname}" + (f":{port}" if port else "")
    if not parts.hostname or port == 0 or endpoint.rstrip("/") != bare:
        raise ValueError(f"{endpoint!r} must be https://host or https://host:port, in lower case")
    return bare


Bucket = Annotated[str, AfterValidator(must_be_bucket)]
AwsRegion = Annotated[str, AfterValidator(must_be_aws_region)]
Region = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Label = Annotated[str, Field(pattern=LABEL)]


class EmbeddedVaultSettings(Settings):
    """The embedded S3 server, one for each region."""

    kind: Literal["embedded"] = Field(default="embedded", description="This project's own server.")
    memory_mib: int = Field(default=256, ge=128, description="Limit of one vault, MiB.")
    volume_gib: int = Field(
        default=100,
        ge=1,
        description="Volume of one vault, GiB; Kubernetes only. It holds every backup and all WAL "
        "of retention_days.",
    )
    region: Region = Field(default="local-1", description="What the first region is called.")
    copy_region: Region = Field(default="local-2", description="What the second region is called.")


class WebIdentitySettings(Settings):
    """Who may take on which role: service accounts, proved by the cluster's own tokens.

    The names are those of the stack's workloads; another name is for a cluster that renames them.
    """

    provider_arn: str = Field(
        description="The IAM OIDC provider that trusts the cluster's tokens, its ARN."
    )
    namespace: Label = Field(description="Namespace of the service accounts.")
    writer: tuple[Label, ...] = Field(
        default=("postgres", "backup"),
        strict=False,
        min_length=1,
        description="Service accounts that write backups and WAL; none of them deletes a version.",
    )
    reader: tuple[Label, ...] = Field(
        default=("load-redis",),
        strict=False,
        min_length=1,
        description="Service accounts that read.",
    )
    tester: tuple[Label, ...] = Field(
        default=("restore-test", "side"),
        strict=False,
        min_length=1,
        description="Service accounts that read, and keep the evidence of their tests.",
    )
    follower: tuple[Label, ...] = Field(
        default=("replication",),
        strict=False,
        min_length=1,
        description="Service accounts that watch the second region's copy, and delete in it what "
        "has long been deleted in the first.",
    )
    seeder: tuple[Label, ...] = Field(
        default=("seed",),
        strict=False,
        min_length=1,
        description="Service accounts that fill an empty vault from the copy; only while a stack "
        "begins with it.",
    )

    @field_validator("provider_arn")
    @classmethod
    def provider_is_one(cls, arn: str) -> str:
        if not PROVIDER.fullmatch(arn):
            raise ValueError(
                f"{arn!r} is no OIDC provider, such as "
                "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLE"
            )
        return arn

    @model_validator(mode="after")
    def accounts_have_one_role_each(self) -> "WebIdentitySettings":
        everybody = [account for accounts in self.accounts.values() for account in accounts]
        twice = sorted({each for each in everybody if everybody.count(each) > 1})
        if twice:
            raise ValueError(f"service account {twice[0]} is given twice: a pod has one role")
        return self

    @property
    def accounts(self) -> dict[str, tuple[str, ...]]:
        """{role: its service accounts}."""
        return {
            "writer": self.writer,
            "reader": self.reader,
            "tester": self.tester,
            "follower": self.follower,
            "seeder": self.seeder,
        }

    @property
    def account_id(self) -> str:
        """The AWS account the provider is in."""
        found = PROVIDER.fullmatch(self.provider_arn)
        assert found is not None
        return found[1]

    @property
    def issuer(self) -> str:
        """The provider's URL without its scheme, which is how conditions of a trust name it."""
        found = PROVIDER.fullmatch(self.provider_arn)
        assert found is not None
        return found[2]


class AwsVaultSettings(Settings):
    """S3 and KMS in one account and one or two regions of AWS."""

    kind: Literal["aws"] = Field(description="S3 and KMS of AWS.")
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] = Field(
        description="The account: twelve digits, in quotes. No other one is ever touched."
    )
    region: AwsRegion = Field(description="The first region, near the databases.")
    copy_region: AwsRegion | None = Field(
        default=None, description="The second region; required unless second_region is false."
    )
    bucket: Bucket = Field(
        description="Name of the first region's bucket; the others' begin with it "
        f"(-{', -'.join(SUFFIXES)}). Names are unique in all of AWS."
    )
    web_identity: WebIdentitySettings = Field(description="Who may take on which role.")
    lock_mode: Literal["COMPLIANCE", "GOVERNANCE"] = Field(
        default="COMPLIANCE",
        description="COMPLIANCE: nobody deletes a locked version, not even the account's root. "
        "GOVERNANCE: administrators may.",
    )
    lock_days: int | None = Field(
        default=None,
        ge=1,
        le=3660,
        description="How long each version is locked, days; left out: retention_days + 8.",
    )
    kms_deletion_window_days: int = Field(
        default=30,
        ge=7,
        le=30,
        description="From asking for a key's deletion to losing all it encrypted, days.",
    )
    log_retention_days: int = Field(
        default=DAYS_OF_TWELVE_MONTHS,
        ge=DAYS_OF_TWELVE_MONTHS,
        le=3660,
        description="How long access logs and data events are kept, and locked, days; at least "
        "twelve months (PCI DSS 10.5.1).",
    )
    networks: tuple[Network, ...] = Field(
        default=(ANYWHERE,),
        min_length=1,
        strict=False,
        description="Where S3 and STS are, as the stack's pods reach them; the default lets them "
        "go anywhere on port 443.",
    )
    administrators: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="ARNs of IAM roles or users that alone may delete versions whose lock is over, "
        "bypass a GOVERNANCE lock, and disable or delete keys; empty: nobody.",
    )
    tags: dict[str, str] = Field(
        default={}, description="Tags of every resource, besides the project's own."
    )

    @field_validator("administrators")
    @classmethod
    def administrators_are_principals(cls, administrators: tuple[str, ...]) -> tuple[str, ...]:
        for each in administrators:
            if not PRINCIPAL.fullmatch(each):
                raise ValueError(
                    f"{each!r} is no role or user, such as "
                    "arn:aws:iam::123456789012:role/vault-administrator"
                )
        return administrators

    @model_validator(mode="after")
    def regions_differ(self) -> "AwsVaultSettings":
        if self.copy_region == self.region:
            raise ValueError(
                f"region and copy_region are both {self.region}: what takes one away takes both"
            )
        return self

    @model_validator(mode="after")
    def account_is_the_providers(self) -> "AwsVaultSettings":
        if self.web_identity.account_id != self.account_id:
            raise ValueError(
                f"web_identity.provider_arn is of account {self.web_identity.account_id}, not of "
                f"{self.account_id}: a role trusts a provider of its own account"
            )
        return self

    @model_validator(mode="after")
    def names_fit(self) -> "AwsVaultSettings":
        longest = max(len(f"{self.bucket}-{suffix}") for suffix in SUFFIXES)
        if longest > LONGEST_BUCKET:
            raise ValueError(
                f"bucket is {longest - LONGEST_BUCKET} characters too long: the other buckets' "
                f"names begin with it, and have at most {LONGEST_BUCKET}"
            )
        return self


class AccessKeySettings(Settings):
    """A key of an S3 that knows no roles. Both parts are Pulumi secrets."""

    access_key: Annotated[SecretStr, Field(min_length=1)] = Field(description="Access key id.")
    secret_key: Annotated[SecretStr, Field(min_length=1)] = Field(description="Secret access key.")


class S3PlaceSettings(Settings):
    """One bucket that is there already: versioned, and locked by whoever runs it."""

    endpoint: Annotated[str, AfterValidator(must_be_https)] = Field(
        description="https://host or https://host:port."
    )
    region: Region = Field(description="Region, as its requests are signed.")
    bucket: Bucket = Field(description="Name of the bucket.")
    path_style: bool = Field(
        default=True, description="Whether the bucket stands in the path, or in the host's name."
    )
    ca_certificate: str | None = Field(
        default=None,
        pattern=r"^-----BEGIN CERTIFICATE-----\n",
        description="PEM of the authority of its certificate; left out: those the system trusts.",
    )
    networks: tuple[Network, ...] = Field(
        default=(ANYWHERE,),
        min_length=1,
        strict=False,
        description="Where the endpoint is, as the stack's pods reach it; the default lets them go "
        "anywhere on its port.",
    )
    writer: AccessKeySettings = Field(description="Writes, and deletes no version.")
    reader: AccessKeySettings = Field(description="Reads.")

    @property
    def host(self) -> str:
        """Of the endpoint."""
        found = urlsplit(self.endpoint).hostname
        assert found is not None
        return found

    @property
    def port(self) -> Port:
        """Of the endpoint."""
        return urlsplit(self.endpoint).port or 443


class S3FirstPlaceSettings(S3PlaceSettings):
    """The first region's, where the evidence of the restore tests is kept too."""

    tester: AccessKeySettings = Field(
        description="Reads, and writes below records/; deletes no version."
    )


class S3VaultSettings(Settings):
    """An S3-compatible server that others run."""

    kind: Literal["s3"] = Field(description="S3 outside AWS, whose buckets others made.")
    place: S3FirstPlaceSettings = Field(description="The first region.")
    copy_place: S3PlaceSettings | None = Field(
        default=None, description="The second region; required unless second_region is false."
    )

    @model_validator(mode="after")
    def places_differ(self) -> "S3VaultSettings":
        other = self.copy_place
        if other and (other.endpoint, other.bucket) == (self.place.endpoint, self.place.bucket):
            raise ValueError(
                f"place and copy_place are both bucket {other.bucket} at {other.endpoint}: "
                "what takes one away takes both"
            )
        return self


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("kind", "embedded"))
    return str(getattr(value, "kind", "embedded"))


VaultSettings = Annotated[
    Annotated[EmbeddedVaultSettings, Tag("embedded")]
    | Annotated[AwsVaultSettings, Tag("aws")]
    | Annotated[S3VaultSettings, Tag("s3")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message="must be embedded, aws or s3",
    ),
]
