"""Spec of aws-web-acl-logs."""

from policy_spec import UNKNOWN, Edit, Mutation, Spec, fails, passes, resource, unseen

BALANCER = (
    "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/app/shop/0a1b2c3d4e5f6071"
)
EDGE = resource("aws:wafv2/webAcl:WebAcl", "edge", {})
OTHER = resource("aws:wafv2/webAcl:WebAcl", "other", {})


def logging(of=None):
    return resource(
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
        "logs",
        {"resourceArn": UNKNOWN},
        taken_from={"resourceArn": of} if of else {},
    )


SPEC = Spec(
    passes={"written down": passes(EDGE, logging(EDGE))},
    fails={
        "not": fails(EDGE, at=("edge", "WebAclLoggingConfiguration")),
        "another's": fails(EDGE, OTHER, logging(OTHER), at=("edge", "WebAclLoggingConfiguration")),
    },
    unknown={"whose they are": unseen(EDGE, logging(), at=("edge", "resourceArn of logs"))},
    not_applicable={"no firewall": passes(logging())},
    mutations={
        "not": Mutation(
            "production",
            (
                Edit(
                    "components/edge.py",
                    "resource_arn=firewall.arn,\n            log_destination_configs",
                    "resource_arn=load_balancer,\n            log_destination_configs",
                ),
            ),
            {"edge": {"load_balancer_arn": BALANCER}},
        )
    },
)
