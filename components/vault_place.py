"""One place that keeps backups, whoever runs it, and who may do what there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

import pulumi

from platforms.workload import FILES_DIRECTORY, Outside, Peer

HTTPS = 443

# Who may do what in a vault: writer (no version is ever deleted by it), reader, and tester, which
# reads and keeps the evidence of its tests.
IDENTITIES = ("writer", "reader", "tester")
COPY_IDENTITIES = ("writer", "reader")

LOOKING = (
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation"),
    *("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"),
)
READING = ("s3:GetObject", "s3:GetObjectVersion")
# Deleting leaves a marker and the version below it: to delete a version is another right, and
# nobody has it.
WRITING = (
    *("s3:PutObject", "s3:DeleteObject"),
    *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
)
# Where each identity writes, relative to the bucket.
WRITTEN = {"writer": "/*", "tester": "/records/*"}

# Where the platform puts the token of the workload's service account that AWS believes. It is
# where EKS puts it, so that a cluster that injects one by itself agrees.
TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"  # noqa: S105 (a path)
# Whom that token is for.
TOKEN_AUDIENCE = "sts.amazonaws.com"  # noqa: S105 (a name)


def policy(identity: str) -> list[dict[str, str | list[str]]]:
    """What an identity may do, in the words of S3; Resource is relative to the bucket."""
    statements: list[dict[str, str | list[str]]] = [
        {"Action": list(LOOKING), "Resource": ""},
        {"Action": list(READING), "Resource": "/*"},
    ]
    if identity in WRITTEN:
        statements.append({"Action": list(WRITING), "Resource": WRITTEN[identity]})
    return statements


@dataclass(frozen=True)
class Credentials:
    """A key of a vault. secret_key: marked as a secret."""

    access_key: pulumi.Input[str]
    secret_key: pulumi.Output[str]


@dataclass(frozen=True)
class Authority:
    """Whoever certifies a vault. file: in FILES_DIRECTORY. content: PEM, of a file of its own; None
    where a workload has that file anyway.
    """

    file: str
    content: str | None = None


OWN_AUTHORITY = Authority("ca.crt")


@dataclass(frozen=True)
class Place:
    """One place that keeps objects.

    credentials: {identity: key}; an identity that is missing is the workload's own role.
    peer: whom a workload must find by name; None where the platform's own names do.
    servers: what must be there before it can be used.
    networks: where it is, if no peer.
    authority: None: one that every system trusts.
    path_style: whether the bucket stands in the path, or in the host's name.
    roles: {identity: ARN of the role that a workload takes on by web identity}.
    kms_key: ARN of the key with which it encrypts what it is given.
    copies_itself: whether what is written here reaches the second region by itself.
    """

    host: str
    port: int
    region: str
    bucket: str
    credentials: Mapping[str, Credentials]
    peer: Peer | None
    servers: tuple[pulumi.Resource, ...]
    networks: tuple[IPv4Network, ...] = ()
    authority: Authority | None = OWN_AUTHORITY
    path_style: bool = True
    roles: Mapping[str, str] = field(default_factory=dict)
    kms_key: pulumi.Output[str] | None = None
    copies_itself: bool = False

    def address(self) -> dict[str, str | None]:
        """As the backup service's programs read it."""
        found: dict[str, str | None] = {
            "endpoint": f"https://{self.host}" + ("" if self.port == HTTPS else f":{self.port}"),
            "region": self.region,
            "bucket": self.bucket,
            "ca": f"{FILES_DIRECTORY}/{self.authority.file}" if self.authority else None,
        }
        if not self.path_style:
            found["style"] = "virtual"
        return found

    def secrets(self, name: str, identity: str) -> dict[str, pulumi.Input[str]]:
        """The secret files by which a program becomes one of the identities; none for a role."""
        found = self.certificates()
        if identity in self.credentials:
            key = self.credentials[identity]
            found[f"{name}.credentials.json"] = pulumi.Output.all(
                access_key=key.access_key, secret_key=key.secret_key
            ).apply(json.dumps)
        return found

    def certificates(self) -> dict[str, pulumi.Input[str]]:
        """The files by which a client knows it, where those are the vault's own."""
        if self.authority is None or self.authority.content is None:
            return {}
        return {self.authority.file: self.authority.content}

    def environment(self, identity: str) -> dict[str, str]:
        """By which a program takes on the identity's role; empty where it has a key.

        The names are those that boto3 and pgBackRest read. boto3 asks the region's own STS;
        pgBackRest 2.55 knows none but sts.amazonaws.com.
        """
        if identity not in self.roles:
            return {}
        return {
            "AWS_ROLE_ARN": self.roles[identity],
            "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        }

    def access(self, identity: str, *others: "Place") -> dict[str, Any]:
        """Those of a workload's arguments by which it comes here as one of the identities.

        Beside them: the secret files, and the peers in its talks_to. others: where it goes besides.
        """
        found: dict[str, Any] = {
            "environment": self.environment(identity),
            "outside": tuple(each for place in (self, *others) for each in place.outside),
        }
        if identity in self.roles:
            found["tokens"] = {TOKEN_FILE: TOKEN_AUDIENCE}
        return found

    @property
    def outside(self) -> tuple[Outside, ...]:
        """Whom a workload must be let out to: this place, and what gives out roles there."""
        if self.peer:
            return ()
        ports = tuple(sorted({self.port, *((HTTPS,) if self.roles else ())}))
        return (Outside("the vault", ports, self.networks),)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """For a workload's talks_to."""
        return (self.peer,) if self.peer else ()
