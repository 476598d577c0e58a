"""Policies of buckets, keys and roles, as JSON. Nothing here registers anything.

Actions are written out: what a pattern allows tomorrow nobody has read today.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.aws.names import Names, bucket_arn
from components.vault_place import LOOKING, READING, TOKEN_AUDIENCE, WRITING, WRITTEN

Statement = dict[str, Any]

EVERYBODY = {"AWS": "*"}
OLDEST_TLS = "1.2"

# What ends the protection of what is stored, or shortens it.
ENDING = (
    *("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"),
    *("s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:DeleteBucket"),
)
# What may be done about a key by whom IAM allows it, and is undone as easily.
GOVERNING_KEY = (
    *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListKeyPolicies"),
    *("kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:ListKeyRotations"),
    *("kms:UpdateKeyDescription", "kms:EnableKey", "kms:CancelKeyDeletion"),
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ListAliases"),
    *("kms:TagResource", "kms:UntagResource", "kms:ListResourceTags", "kms:ListGrants"),
)
# What makes all a key encrypted unreadable.
ENDING_KEY = ("kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:DisableKeyRotation")

SERVER_SIDE = "s3:x-amz-server-side-encryption"
KEY_ID = f"{SERVER_SIDE}-aws-kms-key-id"
CUSTOMERS_KEY = f"{SERVER_SIDE}-customer-algorithm"


def document(statements: Sequence[Statement]) -> str:
    """The JSON of a policy, the same for the same statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def _everything_in(bucket: str) -> list[str]:
    return [bucket_arn(bucket), f"{bucket_arn(bucket)}/*"]


# Of buckets.


def tls_only(bucket: str) -> list[Statement]:
    """Nobody, over plain HTTP or an outdated TLS."""
    common = {"Effect": "Deny", "Principal": EVERYBODY, "Action": "s3:*"}
    return [
        {
            **common,
            "Sid": "TlsOnly",
            "Resource": _everything_in(bucket),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            **common,
            "Sid": "NoOutdatedTls",
            "Resource": _everything_in(bucket),
            "Condition": {"NumericLessThan": {"s3:TlsVersion": OLDEST_TLS}},
        },
    ]


def own_key_only(bucket: str, key_arn: str) -> list[Statement]:
    """What is stored is encrypted with this key.

    Who says nothing gets it by the bucket's default. A request for any other encryption is refused:
    for none with a key of KMS, for another key, and for the AWS managed one, which is what
    `aws:kms` without a key means. Parts of an upload repeat nothing, so silence cannot be refused.
    """
    common = {"Effect": "Deny", "Principal": EVERYBODY, "Action": "s3:PutObject"}
    objects = f"{bucket_arn(bucket)}/*"
    return [
        {
            **common,
            "Sid": "NoOtherEncryption",
            "Resource": objects,
            "Condition": {
                "Null": {SERVER_SIDE: "false"},
                "StringNotEquals": {SERVER_SIDE: "aws:kms"},
            },
        },
        {
            **common,
            "Sid": "NoOtherKey",
            "Resource": objects,
            "Condition": {"Null": {SERVER_SIDE: "false"}, "ArnNotEquals": {KEY_ID: key_arn}},
        },
        # A key of the writer's own would make the vault's content unreadable to everybody else.
        {
            **common,
            "Sid": "NoKeyOfTheWriter",
            "Resource": objects,
            "Condition": {"Null": {CUSTOMERS_KEY: "false"}},
        },
    ]


def nothing_ends(bucket: str, administrators: Sequence[str]) -> list[Statement]:
    """No version is deleted and no lock shortened, but by administrators, whatever IAM says."""
    statement: Statement = {
        "Sid": "NothingEnds",
        "Effect": "Deny",
        "Principal": EVERYBODY,
        "Action": list(ENDING),
        "Resource": _everything_in(bucket),
    }
    if administrators:
        statement["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": list(administrators)}}
    return [statement]


def takes_access_logs(bucket: str, of: str, account_id: str) -> Statement:
    """S3 writes the access logs of one bucket, below its name."""
    return {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn(bucket)}/{of}/*",
        "Condition": {
            "ArnEquals": {"aws:SourceArn": bucket_arn(of)},
            "StringEquals": {"aws:SourceAccount": account_id},
        },
    }


def takes_trail(bucket: str, names: Names, region: str) -> list[Statement]:
    """CloudTrail writes what this trail, and no other, has seen.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/
    create-s3-bucket-policy-for-cloudtrail.html
    """
    common = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    source = {"aws:SourceArn": names.trail_arn(region)}
    return [
        {
            **common,
            "Sid": "TrailLooks",
            "Action": "s3:GetBucketAcl",
            "Resource": bucket_arn(bucket),
            "Condition": {"StringEquals": source},
        },
        {
            **common,
            "Sid": "TrailWrites",
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn(bucket)}/AWSLogs/{names.account_id}/*",
            "Condition": {
                "StringEquals": {**source, "s3:x-amz-acl": "bucket-owner-full-control"},
            },
        },
    ]


# Of keys. `Resource: *` in a key's policy means the key.


def governed_key(names: Names, administrators: Sequence[str]) -> list[Statement]:
    """The account governs the key through IAM; administrators alone may end it.

    The account's root has no right to use it nor to end it, so no policy of IAM can give one.
    """
    statements: list[Statement] = [
        {
            "Sid": "AccountGoverns",
            "Effect": "Allow",
            "Principal": {"AWS": names.root},
            "Action": list(GOVERNING_KEY),
            "Resource": "*",
        }
    ]
    if administrators:
        statements.append(
            {
                "Sid": "AdministratorsMayEnd",
                "Effect": "Allow",
                "Principal": {"AWS": names.root},
                "Action": list(ENDING_KEY),
                "Resource": "*",
                "Condition": {"ArnEquals": {"aws:PrincipalArn": list(administrators)}},
            }
        )
    return statements


def used_through_s3(
    names: Names, region: str, bucket: str, roles: Mapping[str, Sequence[str]]
) -> list[Statement]:
    """Roles use the key through S3, for one bucket. roles: {action: names of roles}.

    By aws:PrincipalArn and not as principals: KMS refuses a principal that does not exist yet, and
    turns one that was deleted into an id that no successor of the same name has.
    """
    return [
        {
            "Sid": f"Roles{action.partition(':')[2]}",
            "Effect": "Allow",
            "Principal": {"AWS": names.root},
            "Action": action,
            "Resource": "*",
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": [names.role_arn(each) for each in using]},
                **_through_s3(names, region),
                # With a bucket key the context is the bucket, without one the object.
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": _everything_in(bucket)},
            },
        }
        for action, using in sorted(roles.items())
    ]


def used_by_trail(names: Names, region: str) -> list[Statement]:
    """CloudTrail encrypts with the key, and whoever IAM allows to read the bucket may decrypt.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/
    create-kms-key-policy-for-cloudtrail.html
    """
    common = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Resource": "*",
    }
    source = {"StringEquals": {"aws:SourceArn": names.trail_arn(region)}}
    context = {"kms:EncryptionContext:aws:cloudtrail:arn": names.trail_arn(region)}
    return [
        {**common, "Sid": "TrailLooks", "Action": "kms:DescribeKey", "Condition": source},
        {
            **common,
            "Sid": "TrailEncrypts",
            "Action": ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"],
            "Condition": {"StringEquals": {**source["StringEquals"], **context}},
        },
        {
            "Sid": "AccountReads",
            "Effect": "Allow",
            "Principal": {"AWS": names.root},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": _through_s3(names, region),
        },
    ]


def _through_s3(names: Names, region: str) -> Statement:
    return {
        "StringEquals": {
            "kms:CallerAccount": names.account_id,
            "kms:ViaService": f"s3.{region}.amazonaws.com",
        }
    }


# Of roles.


def trust_web_identity(
    provider_arn: str, issuer: str, namespace: str, accounts: Sequence[str]
) -> str:
    """These service accounts take the role on, with a token made for AWS, and nobody else."""
    subjects = [f"system:serviceaccount:{namespace}:{account}" for account in accounts]
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{issuer}:aud": TOKEN_AUDIENCE, f"{issuer}:sub": subjects}
                },
            }
        ]
    )


def trust_s3(names: Names, bucket: str) -> str:
    """S3 takes the role on, for one bucket of this account."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": bucket_arn(bucket)},
                    "StringEquals": {"aws:SourceAccount": names.account_id},
                },
            }
        ]
    )


def may_work_in(bucket: str, identity: str) -> list[Statement]:
    """What a writer, a reader or a tester does in a bucket."""
    statements = [
        _allow(LOOKING, bucket_arn(bucket)),
        _allow(READING, f"{bucket_arn(bucket)}/*"),
    ]
    if identity in WRITTEN:
        statements.append(_allow(WRITING, f"{bucket_arn(bucket)}{WRITTEN[identity]}"))
    return statements


def may_follow(bucket: str) -> list[Statement]:
    """Deleting in the copy what has long been deleted in the first region; storing nothing."""
    return [
        *may_work_in(bucket, "reader"),
        _allow(("s3:DeleteObject",), f"{bucket_arn(bucket)}/*"),
    ]


def may_replicate(source: str, target: str) -> list[Statement]:
    """S3 copies versions with their locks, and no deletion: s3:ReplicateDelete is not among them.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
    """
    return [
        _allow(("s3:GetReplicationConfiguration", "s3:ListBucket"), bucket_arn(source)),
        _allow(
            (
                *("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl"),
                *("s3:GetObjectVersionTagging", "s3:GetObjectRetention", "s3:GetObjectLegalHold"),
            ),
            f"{bucket_arn(source)}/*",
        ),
        _allow(("s3:ReplicateObject", "s3:ReplicateTags"), f"{bucket_arn(target)}/*"),
    ]


def may_use_key(key_arn: str, region: str, actions: Sequence[str]) -> Statement:
    """A key, through S3."""
    return {
        **_allow(actions, key_arn),
        "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
    }


def _allow(actions: Sequence[str], resource: str) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}
