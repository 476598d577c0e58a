"""Spec of aws-managed-policies."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, configured, fails, passes, resource, unseen

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


def attached(arn):
    return resource(ATTACHMENT, "app", {"role": "app", "policyArn": arn})


SPEC = Spec(
    passes={
        "one that gives little": passes(
            attached("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
        ),
        "one of one's own, whatever it is called": passes(
            attached("arn:aws:iam::123456789012:policy/AdministratorAccess")
        ),
        "none": passes(resource("aws:iam/role:Role", "app", {})),
    },
    fails={
        "everything": fails(
            attached("arn:aws:iam::aws:policy/AdministratorAccess"), at=("app", "policyArn")
        ),
        "all of a service": fails(
            attached("arn:aws:iam::aws:policy/AmazonS3FullAccess"), at=("app", "policyArn")
        ),
        "a job's": fails(
            attached("arn:aws:iam::aws:policy/job-function/DatabaseAdministrator"),
            at=("app", "policyArn"),
        ),
        "in a role itself": fails(
            resource(
                "aws:iam/role:Role",
                "app",
                {"managedPolicyArns": ["arn:aws:iam::aws:policy/IAMFullAccess"]},
            ),
            at=("app", "managedPolicyArns[0]"),
        ),
    },
    unknown={"which": unseen(attached(UNKNOWN), at=("app", "policyArn"))},
    overridden={
        "another one": configured(
            {"policies": ["ReadOnlyAccess"]},
            fails(attached("arn:aws:iam::aws:policy/ReadOnlyAccess"), at=("app", "policyArn")),
        )
    },
    not_applicable={"a policy": passes(resource("aws:iam/policy:Policy", "p", {}))},
    mutations={
        "all of a service": declares(
            """
            aws.iam.RolePolicyAttachment(
                "convenient",
                role=self._names.role("writer"),
                policy_arn="arn:aws:iam::aws:policy/AmazonS3FullAccess",
                opts=first.options(self),
            )
            """
        )
    },
)
