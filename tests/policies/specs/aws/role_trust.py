"""Spec of aws-role-trust."""

from policy_aws import document
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

FILE = "components/aws/policies.py"
ROLE = "aws:iam/role:Role"
ISSUER = "token.actions.githubusercontent.com"
AUD = {f"{ISSUER}:aud": "sts.amazonaws.com"}
SUB = {f"{ISSUER}:sub": "repo:acme/ledger:ref:refs/heads/main"}
BRANCHES = {f"{ISSUER}:sub": "repo:acme/ledger:ref:refs/heads/*"}
CONDITION = ("app", "assumeRolePolicy.Statement[0].Condition")


def role(statement):
    return resource(ROLE, "app", {"assumeRolePolicy": document(statement)})


def trusting(**conditions):
    return role(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": conditions,
        }
    )


def serving(service, **conditions):
    return role(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": conditions,
        }
    )


SPEC = Spec(
    passes={
        "one branch": passes(trusting(StringEquals={**AUD, **SUB})),
        "one branch, by two operators": passes(trusting(StringEquals=AUD, StringLike=SUB)),
        "a service of one's own machine": passes(serving("ec2.amazonaws.com")),
        "S3, for one bucket": passes(
            serving("s3.amazonaws.com", ArnEquals={"aws:SourceArn": "arn:aws:s3:::acme"})
        ),
        "S3, for one account": passes(
            serving("s3.amazonaws.com", StringEquals={"aws:SourceAccount": "123456789012"})
        ),
        "another role": passes(
            role(
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::123456789012:role/deployer"},
                    "Action": "sts:AssumeRole",
                }
            )
        ),
    },
    fails={
        "every repository there is": fails(trusting(StringEquals=AUD), at=CONDITION),
        "a token for anybody": fails(trusting(StringEquals=SUB), at=CONDITION),
        "nothing is said": fails(
            trusting(),
            at=(CONDITION, ("app", f"{CONDITION[1]} does not say which sub is meant. Restrict")),
        ),
        "every repository, in other words": fails(
            trusting(StringEquals=AUD, StringLike={f"{ISSUER}:sub": "*"}), at=CONDITION
        ),
        "one repository among all": fails(
            trusting(StringEquals=AUD, StringLike={f"{ISSUER}:sub": ["repo:acme/ledger", "*"]}),
            at=CONDITION,
        ),
        "every branch": fails(trusting(StringEquals=AUD, StringLike=BRANCHES), at=CONDITION),
        "every repository but one": fails(
            trusting(StringEquals=AUD, StringNotEquals=SUB), at=CONDITION
        ),
        "who says nothing comes in": fails(
            trusting(StringEquals=AUD, StringEqualsIfExists=SUB), at=CONDITION
        ),
        "S3, for everybody": fails(serving("s3.amazonaws.com"), at=CONDITION),
    },
    unknown={
        "whom": unseen(
            resource(ROLE, "app", {"assumeRolePolicy": UNKNOWN}), at=("app", "assumeRolePolicy")
        ),
        "which provider": unseen(
            resource(
                ROLE,
                "app",
                {
                    "assumeRolePolicy": {
                        "Statement": [
                            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": UNKNOWN}
                        ]
                    }
                },
            ),
            at=("app", "assumeRolePolicy.Statement[0].Principal"),
        ),
    },
    overridden={
        "every branch will do": configured(
            {"patterns": True}, passes(trusting(StringEquals=AUD, StringLike=BRANCHES))
        ),
        "every repository will not": configured(
            {"patterns": True},
            fails(trusting(StringEquals=AUD, StringLike={f"{ISSUER}:sub": "**"}), at=CONDITION),
        ),
        "another service": configured(
            {"services": ["lambda.amazonaws.com"]},
            fails(serving("lambda.amazonaws.com"), at=CONDITION),
        ),
    },
    not_applicable={"no role": passes(resource("aws:iam/policy:Policy", "app", {}))},
    mutations={
        "every service account of the cluster": edit(
            "production", FILE, ', f"{issuer}:sub": subjects}', "}"
        ),
        "a token for anybody": edit("production", FILE, 'f"{issuer}:aud": TOKEN_AUDIENCE, ', ""),
        "S3, for everybody": edit(
            "production",
            FILE,
            '"Condition": {\n'
            '                    "ArnEquals": {"aws:SourceArn": bucket_arn(bucket)},\n'
            '                    "StringEquals": {"aws:SourceAccount": names.account_id},\n'
            "                },\n            }\n        ]",
            '"Condition": {},\n            }\n        ]',
        ),
    },
)
