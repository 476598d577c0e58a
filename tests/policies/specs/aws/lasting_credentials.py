"""Spec of aws-lasting-credentials."""

from policy_aws import declares
from policy_spec import Spec, fails, passes, resource

SPEC = Spec(
    passes={
        "an account of a mail server": passes(
            resource("aws:ses/domainIdentity:DomainIdentity", "m")
        )
    },
    fails={
        "a key": fails(
            resource("aws:iam/accessKey:AccessKey", "deploy", {"user": "deployer"}),
            at=("deploy", "type"),
        ),
        "a user": fails(
            resource("aws:iam/user:User", "deploy", {"name": "deployer"}), at=("deploy", "type")
        ),
        "a password": fails(
            resource("aws:iam/userLoginProfile:UserLoginProfile", "anna", {"user": "deployer"}),
            at=("anna", "type"),
        ),
    },
    always_known="which type it is stands in the program",
    not_applicable={"a role": passes(resource("aws:iam/role:Role", "app", {}))},
    mutations={
        "a key": declares(
            """
            aws.iam.AccessKey("deploy-key", user="deployer", opts=first.options(self))
            """
        ),
        "a user": declares(
            """
            aws.iam.User("deployer", tags=first.tags, opts=first.options(self))
            """
        ),
    },
)
