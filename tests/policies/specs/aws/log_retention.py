"""Spec of aws-log-retention."""

from policy_spec import (
    UNKNOWN,
    Edit,
    Mutation,
    Spec,
    configured,
    fails,
    passes,
    resource,
    unseen,
)

BALANCER = (
    "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/app/shop/0a1b2c3d4e5f6071"
)
AT = ("log", "retentionInDays")


def group(**properties):
    return resource("aws:cloudwatch/logGroup:LogGroup", "log", properties)


SPEC = Spec(
    passes={
        "more than a year": passes(group(retentionInDays=400)),
        "for ever": passes(group()),
        "for ever, in a number": passes(group(retentionInDays=0)),
    },
    fails={"a week": fails(group(retentionInDays=7), at=AT)},
    unknown={"how long": unseen(group(retentionInDays=UNKNOWN), at=AT)},
    overridden={
        "a week will do": configured({"minimum_days": 7}, passes(group(retentionInDays=7))),
        "in staging three months will do": configured(
            {}, passes(group(retentionInDays=90)), environment="staging"
        ),
    },
    not_applicable={"a bucket": passes(resource("aws:s3/bucket:Bucket", "log", {}))},
    mutations={
        "a week": Mutation(
            "production",
            (
                Edit(
                    "components/edge.py",
                    "retention_in_days=settings.log_retention_days",
                    "retention_in_days=7",
                ),
            ),
            {"edge": {"load_balancer_arn": BALANCER}},
        )
    },
)
