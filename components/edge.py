"""What stands before a load balancer that is open to the world; nothing unless one is named."""

from dataclasses import dataclass
from typing import Any

import pulumi

from settings.edge import EdgeSettings

# Over which requests are counted, s; what WAF calls the usual one.
WINDOW_SECONDS = 300


@dataclass(frozen=True)
class EdgeArgs:
    """settings: with a load balancer named."""

    stack: str
    settings: EdgeSettings


class Edge(pulumi.ComponentResource):
    """A web application firewall before one load balancer, and Shield Advanced where asked for.

    What AWS' rule groups or the rate limit refuse is refused and logged; all else passes.
    """

    def __init__(
        self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # Loading the SDK of AWS takes a second, which a stack without a load balancer is spared.
        import pulumi_aws as aws

        super().__init__("selfmonitor:access:Edge", name, None, opts)
        settings = args.settings
        load_balancer = settings.load_balancer_arn
        assert load_balancer is not None, "see protect_edge"
        tags = {"Project": "selfmonitor", "Stack": args.stack, "Component": "edge"}
        provider = aws.Provider(
            name,
            region=settings.region,
            allowed_account_ids=[settings.account_id],
            opts=pulumi.ResourceOptions(parent=self),
        )
        child = pulumi.ResourceOptions(parent=self, provider=provider)
        common = {"region": settings.region}
        title = f"selfmonitor-{args.stack}"
        firewall = aws.wafv2.WebAcl(
            f"{name}-firewall",
            name=title,
            description=f"Before the load balancer of stack {args.stack}",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=[_rate(settings.requests_per_5_minutes), *_managed(settings.managed_rules)],
            visibility_config=_visible(title),
            tags=tags,
            opts=child,
            **common,
        )
        aws.wafv2.WebAclAssociation(
            f"{name}-association",
            resource_arn=load_balancer,
            web_acl_arn=firewall.arn,
            opts=child,
            **common,
        )
        log = aws.cloudwatch.LogGroup(
            f"{name}-log",
            # WAF writes into no log group without this prefix (https://docs.aws.amazon.com/waf/
            # latest/developerguide/logging-cw-logs.html).
            name=f"aws-waf-logs-{title}",
            retention_in_days=settings.log_retention_days,
            tags=tags,
            # Evidence, for as long as it says.
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(protect=True, retain_on_delete=True)
            ),
            **common,
        )
        aws.wafv2.WebAclLoggingConfiguration(
            f"{name}-logging",
            resource_arn=firewall.arn,
            log_destination_configs=[log.arn],
            logging_filter={
                # What passed is in the load balancer's own log.
                "default_behavior": "DROP",
                "filters": [
                    {
                        "behavior": "KEEP",
                        "requirement": "MEETS_ANY",
                        "conditions": [{"action_condition": {"action": "BLOCK"}}],
                    }
                ],
            },
            # What lets somebody in is in none.
            redacted_fields=[
                {"single_header": {"name": each}} for each in ("authorization", "cookie")
            ],
            opts=child,
            **common,
        )
        if settings.shield_advanced:
            aws.shield.Protection(
                f"{name}-shield", name=title, resource_arn=load_balancer, tags=tags, opts=child
            )
        self.register_outputs({"firewall": firewall.arn})


def protect_edge(stack: str, settings: EdgeSettings) -> Edge | None:
    """Registers nothing unless the settings name a load balancer."""
    if settings.load_balancer_arn is None:
        return None
    return Edge("edge", EdgeArgs(stack, settings))


def _rate(limit: int) -> dict[str, Any]:
    """First, so that a flood is not paid for by the rule group."""
    return {
        "name": "rate",
        "priority": 0,
        "action": {"block": {}},
        "statement": {
            "rate_based_statement": {
                "aggregate_key_type": "IP",
                "limit": limit,
                "evaluation_window_sec": WINDOW_SECONDS,
            }
        },
        "visibility_config": _visible("rate"),
    }


def _managed(groups: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": group,
            "priority": priority,
            # The group's own actions hold.
            "override_action": {"none": {}},
            "statement": {"managed_rule_group_statement": {"vendor_name": "AWS", "name": group}},
            "visibility_config": _visible(group),
        }
        for priority, group in enumerate(groups, start=1)
    ]


def _visible(name: str) -> dict[str, str | bool]:
    """Metrics by this name, and samples of what it decided about."""
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": name,
        "sampled_requests_enabled": True,
    }
