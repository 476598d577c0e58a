"""Spec of aws-policy-principals."""

from policy_aws import document
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/policies.py"
ACCOUNT = "arn:aws:iam::123456789012:root"
KEY = "aws:kms/key:Key"
PRINCIPAL = "policy.Statement[0].Principal"


def statement(principal, effect="Allow", **more):
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": "kms:Decrypt",
        "Resource": "*",
        **more,
    }


def key(*statements):
    return resource(KEY, "key", {"policy": document(*statements)})


def everybody(**condition):
    return key(statement({"AWS": "*"}, Condition=condition))


SPEC = Spec(
    passes={
        "an account": passes(key(statement({"AWS": ACCOUNT}))),
        "a service": passes(key(statement({"Service": "cloudtrail.amazonaws.com"}))),
        "everybody is refused": passes(key(statement("*", "Deny"))),
        "everybody of an account": passes(
            everybody(StringEquals={"kms:CallerAccount": "123456789012"})
        ),
        "everybody of some name": passes(
            everybody(ArnLike={"aws:principalarn": ["arn:aws:iam::123456789012:role/app-*"]})
        ),
        "nothing is said": passes(resource(KEY, "key", {})),
    },
    fails={
        "everybody": fails(key(statement("*")), at=("key", PRINCIPAL)),
        "everybody with an account": fails(everybody(), at=("key", PRINCIPAL)),
        "everybody among others": fails(
            key(statement({"AWS": [ACCOUNT, "*"]})), at=("key", PRINCIPAL)
        ),
        "everybody but one": fails(
            key({"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "kms:*"}),
            at=("key", "policy.Statement[0].NotPrincipal"),
        ),
        "everybody but an account": fails(
            everybody(StringNotEquals={"aws:PrincipalAccount": "123456789012"}),
            at=("key", PRINCIPAL),
        ),
        "everybody of every account": fails(
            everybody(StringLike={"aws:PrincipalAccount": "*"}), at=("key", PRINCIPAL)
        ),
        "a condition that holds without": fails(
            everybody(StringEqualsIfExists={"aws:SourceAccount": "123456789012"}),
            at=("key", PRINCIPAL),
        ),
        "a condition that names nobody": fails(
            everybody(Bool={"aws:SecureTransport": "true"}), at=("key", PRINCIPAL)
        ),
        "in the second statement": fails(
            key(statement({"AWS": ACCOUNT}), statement("*")),
            at=("key", "policy.Statement[1].Principal"),
        ),
        "of a bucket": fails(
            resource(
                "aws:s3/bucketPolicy:BucketPolicy", "shop", {"policy": document(statement("*"))}
            ),
            at=("shop", PRINCIPAL),
        ),
        "of a role": fails(
            resource(
                "aws:iam/role:Role", "app", {"assumeRolePolicy": document(statement({"AWS": "*"}))}
            ),
            at=("app", "assumeRolePolicy.Statement[0].Principal"),
        ),
        "no policy": fails(resource(KEY, "key", {"policy": "everybody"}), at=("key", "policy")),
        "no statements": fails(
            resource(KEY, "key", {"policy": {"Statement": ["everybody"]}}), at=("key", "policy")
        ),
    },
    unknown={
        "what it says": unseen(resource(KEY, "key", {"policy": UNKNOWN}), at=("key", "policy")),
        "one statement": unseen(
            resource(KEY, "key", {"policy": {"Statement": [UNKNOWN]}}),
            at=("key", "policy.Statement[0]"),
        ),
        "of whom it speaks": unseen(
            resource(
                KEY,
                "key",
                {
                    "policy": {
                        "Statement": [statement({"AWS": UNKNOWN}), statement({"AWS": ACCOUNT})]
                    }
                },
            ),
            at=("key", f"{PRINCIPAL}.AWS"),
        ),
    },
    not_applicable={
        "what an identity may do": passes(
            resource("aws:iam/policy:Policy", "p", {"policy": document(statement("*"))})
        )
    },
    mutations={
        "of a key": edit(
            "production",
            FILE,
            '"Sid": "AccountGoverns",\n            "Effect": "Allow",\n'
            '            "Principal": {"AWS": names.root}',
            '"Sid": "AccountGoverns",\n            "Effect": "Allow",\n'
            '            "Principal": {"AWS": "*"}',
        ),
        "of a bucket": edit(
            "production",
            "components/aws/audit.py",
            "*takes_trail(bucket, names, region.name),",
            "*takes_trail(bucket, names, region.name),\n"
            '                    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",\n'
            '                     "Resource": f"{bucket_arn(bucket)}/*"},',
        ),
    },
)
