"""Spec of aws-web-acl-rate."""

import json

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
FILE = "components/edge.py"
AT = ("edge", "rules")


def rate(limit, action="block", **more):
    statement = {"limit": limit, "aggregateKeyType": "IP", **more}
    return {"action": {action: {}}, "statement": {"rateBasedStatement": statement}}


def firewall(*rules, **more):
    return resource("aws:wafv2/webAcl:WebAcl", "edge", {"rules": list(rules), **more})


MANAGED = {
    "overrideAction": {"none": {}},
    "statement": {"managedRuleGroupStatement": {"vendorName": "AWS"}},
}
RAW = json.dumps([{"Action": {"Block": {}}, "Statement": {"RateBasedStatement": {"Limit": 2000}}}])

SPEC = Spec(
    passes={
        "limited": passes(firewall(rate(2000), MANAGED)),
        "limited, as JSON": passes(firewall(ruleJson=RAW)),
        "once is enough": passes(firewall(rate(2_000_000), rate(2000))),
        "in a minute": passes(firewall(rate(1000, evaluationWindowSec=60))),
    },
    fails={
        "not": fails(firewall(MANAGED), at=AT),
        "counted alone": fails(firewall(rate(2000, "count")), at=AT),
        "too high": fails(firewall(rate(2_000_000)), at=AT),
        "too high, in a minute": fails(firewall(rate(50_000, evaluationWindowSec=60)), at=AT),
    },
    unknown={
        "how often": unseen(
            firewall(rate(UNKNOWN)), at=("edge", "rules[0].statement.rateBasedStatement.limit")
        )
    },
    overridden={
        "more often": configured(
            {"maximum_requests": 2_000_000}, passes(firewall(rate(2_000_000)))
        ),
        "less often": configured({"maximum_requests": 100}, fails(firewall(rate(2000)), at=AT)),
    },
    not_applicable={
        "a group of rules": passes(resource("aws:wafv2/ruleGroup:RuleGroup", "edge", {}))
    },
    mutations={
        "not": Mutation(
            "production",
            (Edit(FILE, "_rate(settings.requests_per_5_minutes), ", ""),),
            {"edge": {"load_balancer_arn": BALANCER}},
        ),
        "counted alone": Mutation(
            "production",
            (Edit(FILE, '"action": {"block": {}}', '"action": {"count": {}}'),),
            {"edge": {"load_balancer_arn": BALANCER}},
        ),
        "too high": Mutation(
            "production",
            settings={"edge": {"load_balancer_arn": BALANCER, "requests_per_5_minutes": 2_000_000}},
        ),
    },
)
