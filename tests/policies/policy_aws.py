"""What specs of controls of AWS are written with: buckets, their configurations, and resources that
the project's own program does not have.
"""

import json
from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

from policies.evaluate import Registration
from policy_spec import UNKNOWN, Edit, Mutation, resource

BUCKET = "aws:s3/bucket:Bucket"
TRAIL = "aws:cloudtrail/trail:Trail"
KEY = resource("aws:kms/key:Key", "key", {})

VAULT = resource(BUCKET, "vault", {"bucket": "acme-vault", "region": "eu-west-2"})
OTHER = resource(BUCKET, "other", {"bucket": "acme-other", "region": "eu-west-1"})
NAMELESS = resource(BUCKET, "vault", {"region": "eu-west-2"})
LOGS = resource(BUCKET, "logs", {"bucket": "acme-logs", "region": "eu-west-2"})
# The vault's access logs go to the others.
LOGGED = resource(
    "aws:s3/bucketLogging:BucketLogging",
    "vault-access-logs",
    {"bucket": "acme-vault", "targetBucket": UNKNOWN},
    taken_from={"targetBucket": LOGS},
)
# What says of a bucket that access logs go there, where the bucket they are of is not at hand.
LETS_LOGS_IN = resource(
    "aws:s3/bucketPolicy:BucketPolicy",
    "vault-policy",
    {
        "bucket": "acme-vault",
        "policy": json.dumps(
            {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "logging.s3.amazonaws.com"},
                        "Action": "s3:PutObject",
                        "Resource": "arn:aws:s3:::acme-vault/*",
                    }
                ]
            }
        ),
    },
)
# A trail that writes into the vault.
TRAILED = resource(TRAIL, "trail", {"s3BucketName": UNKNOWN}, taken_from={"s3BucketName": VAULT})
# Nobody can tell whose it is.
UNTOLD_LOGGING = resource(
    "aws:s3/bucketLogging:BucketLogging",
    "somebodys-logs",
    {"bucket": "acme-other", "targetBucket": UNKNOWN},
)

# Where the vault's buckets are made, as `first` and `self` are there.
PLACE = '        logs = {"logs": (first_logs, first)}\n'


def sidecar(
    kind: str,
    properties: Mapping[str, Any] | None = None,
    of: Registration | None = VAULT,
    name: str = "side",
    bucket: str = UNKNOWN,
    **taken_from: Registration | tuple[Registration, ...],
) -> Registration:
    """A configuration of a bucket, `BucketLogging`; joined by reference, or else by name."""
    references = {**({"bucket": of} if of else {}), **taken_from}
    return resource(
        f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}",
        name,
        {"bucket": bucket, **(properties or {})},
        taken_from=references,
    )


def document(*statements: Mapping[str, Any]) -> str:
    """A policy's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role_policy(*statements: Mapping[str, Any]) -> Registration:
    return resource("aws:iam/rolePolicy:RolePolicy", "rights", {"policy": document(*statements)})


def declares(code: str) -> Mutation:
    """The production program with more in it, of which it has none: Python in which `first` is the
    region and `self` what it belongs to.
    """
    added = indent(dedent(code).strip(), " " * 8)
    return Mutation("production", (Edit("components/vault_aws.py", PLACE, f"{PLACE}{added}\n"),))
