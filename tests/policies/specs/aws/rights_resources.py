"""Spec of aws-rights-resources."""

from policy_aws import role_policy
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

RESOURCE = ("rights", "policy.Statement[0].Resource")


def rights(*resources, action="s3:GetObject", effect="Allow"):
    return role_policy({"Effect": effect, "Action": action, "Resource": list(resources)})


SPEC = Spec(
    passes={
        "objects of a bucket": passes(rights("arn:aws:s3:::acme", "arn:aws:s3:::acme/*")),
        "stages of an API": passes(
            rights(
                "arn:aws:execute-api:eu-west-2:123456789012:abc123/*", action="execute-api:Invoke"
            )
        ),
        "streams of a log": passes(
            rights(
                "arn:aws:logs:eu-west-2:123456789012:log-group:/aws/app:*",
                action="logs:PutLogEvents",
            )
        ),
        "a topic": passes(
            rights("arn:aws:sns:eu-west-2:123456789012:orders", action="sns:Publish")
        ),
        "actions that AWS knows no resource for": passes(
            rights("*", action=["sts:GetCallerIdentity", "ec2:DescribeInstances"])
        ),
        "a wildcard is refused": passes(rights("*", effect="Deny")),
    },
    fails={
        "everything": fails(rights("*"), at=RESOURCE),
        "one of several": fails(rights("arn:aws:s3:::acme", "*"), at=RESOURCE),
        "every bucket": fails(rights("arn:aws:s3:::*"), at=RESOURCE),
        "every object": fails(rights("arn:aws:s3:::*/*"), at=RESOURCE),
        "every table": fails(
            rights("arn:aws:dynamodb:eu-west-2:123456789012:table/*", action="dynamodb:GetItem"),
            at=RESOURCE,
        ),
        "another action besides": fails(
            rights("*", action=["sts:GetCallerIdentity", "s3:GetObject"]), at=RESOURCE
        ),
        "every action but one": fails(
            role_policy({"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}),
            at=RESOURCE,
        ),
        "all but one": fails(
            role_policy({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "a"}),
            at=("rights", "policy.Statement[0].NotResource"),
        ),
    },
    unknown={
        "which": unseen(
            resource(
                "aws:iam/rolePolicy:RolePolicy",
                "rights",
                {"policy": {"Statement": [{"Effect": "Allow", "Resource": UNKNOWN}]}},
            ),
            at=RESOURCE,
        )
    },
    overridden={
        "for this action any will do": configured({"anywhere": ["s3:Get*"]}, passes(rights("*"))),
        "for no action any will do": configured(
            {"anywhere": []}, fails(rights("*", action="sts:GetCallerIdentity"), at=RESOURCE)
        ),
    },
    not_applicable={
        "of a key": passes(
            resource("aws:kms/key:Key", "k", {"policy": '{"Statement": {"Resource": "*"}}'})
        )
    },
    mutations={
        "everything": edit(
            "production",
            "components/aws/policies.py",
            '_allow(READING, f"{bucket_arn(bucket)}/*")',
            '_allow(READING, "*")',
        ),
        "every key": edit(
            "production",
            "components/aws/policies.py",
            "**_allow(actions, key_arn),",
            '**_allow(actions, "*"),',
        ),
    },
)
