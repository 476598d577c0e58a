"""Spec of aws-rights-actions."""

from policy_aws import role_policy
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

ACTION = ("rights", "policy.Statement[0].Action")


def rights(*actions, effect="Allow", **more):
    return role_policy(
        {"Effect": effect, "Action": list(actions), "Resource": "arn:aws:s3:::acme/*", **more}
    )


SPEC = Spec(
    passes={
        "written out": passes(rights("s3:GetObject", "s3:PutObject")),
        "a wildcard is refused": passes(rights("*", effect="Deny")),
        "nothing is said": passes(resource("aws:iam/role:Role", "app", {})),
    },
    fails={
        "everything": fails(rights("*"), at=ACTION),
        "all of a service": fails(rights("s3:GetObject", "s3:*"), at=ACTION),
        "all that begin so": fails(rights("s3:Get*"), at=ACTION),
        "all but one": fails(
            role_policy({"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "a"}),
            at=("rights", "policy.Statement[0].NotAction"),
        ),
        "in a role itself": fails(
            resource(
                "aws:iam/role:Role",
                "app",
                {"inlinePolicies": [{"policy": {"Statement": {"Effect": "Allow", "Action": "*"}}}]},
            ),
            at=("app", "inlinePolicies[0].policy.Statement[0].Action"),
        ),
    },
    unknown={
        "what it says": unseen(
            resource("aws:iam/policy:Policy", "p", {"policy": UNKNOWN}), at=("p", "policy")
        ),
        "one action": unseen(
            resource(
                "aws:iam/policy:Policy",
                "p",
                {"policy": {"Statement": [{"Effect": "Allow", "Action": [UNKNOWN]}]}},
            ),
            at=("p", "policy.Statement[0].Action[0]"),
        ),
        "which policies a role has": unseen(
            resource("aws:iam/role:Role", "app", {"inlinePolicies": UNKNOWN}),
            at=("app", "inlinePolicies"),
        ),
    },
    overridden={
        "patterns will do": configured({"patterns": True}, passes(rights("s3:Get*"))),
        "all of a service will not": configured(
            {"patterns": True}, fails(rights("s3:*"), at=ACTION)
        ),
    },
    not_applicable={
        "of a bucket": passes(
            resource("aws:s3/bucketPolicy:BucketPolicy", "p", {"policy": '{"Statement": []}'})
        )
    },
    mutations={
        "all that begin so": edit(
            "production",
            "components/aws/policies.py",
            "_allow(LOOKING, bucket_arn(bucket))",
            '_allow(("s3:List*",), bucket_arn(bucket))',
        )
    },
)
