"""What stands before a load balancer that is open to the world: nothing, unless one is named."""

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from settings.base import Settings
from settings.vault import must_be_aws_region

# A web application firewall reads HTTP: of the load balancers, only an application one.
LOAD_BALANCER = re.compile(
    r"arn:aws:elasticloadbalancing:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"loadbalancer/(?P<kind>app|net|gwy)/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}"
)
RULE_GROUP = re.compile(r"AWSManagedRules[A-Za-z0-9]+RuleSet|AWSManagedRules[A-Za-z0-9]+List")
# The retentions CloudWatch Logs has, of twelve months and more
# (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html).
LOG_RETENTION_DAYS = (400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class EdgeSettings(Settings):
    """Firewall and protection of one application load balancer of AWS."""

    load_balancer_arn: str | None = Field(
        default=None,
        description="The application load balancer that is open to the world; left out: nothing "
        "is made.",
    )
    managed_rules: tuple[str, ...] = Field(
        default=(
            "AWSManagedRulesAmazonIpReputationList",
            "AWSManagedRulesCommonRuleSet",
            "AWSManagedRulesKnownBadInputsRuleSet",
            "AWSManagedRulesSQLiRuleSet",
        ),
        strict=False,
        min_length=1,
        description="Rule groups that AWS maintains, in the order in which they are asked.",
    )
    requests_per_5_minutes: Annotated[int, Field(ge=10, le=2_000_000_000)] = Field(
        default=2000, description="Of one address; what exceeds it is refused."
    )
    log_retention_days: int = Field(
        default=LOG_RETENTION_DAYS[0],
        description="How long what the firewall refused is kept, days; at least twelve months, "
        f"and one of {', '.join(map(str, LOG_RETENTION_DAYS))}.",
    )
    shield_advanced: bool = Field(
        default=False,
        description="AWS Shield Advanced, which the account must have subscribed to: 3000 USD a "
        "month for a year. Shield Standard is always there.",
    )

    @field_validator("load_balancer_arn")
    @classmethod
    def load_balancer_speaks_http(cls, arn: str | None) -> str | None:
        found = LOAD_BALANCER.fullmatch(arn) if arn is not None else None
        if arn is not None and not found:
            raise ValueError(f"{arn!r} is no load balancer of the partition `aws`")
        if found and found["kind"] != "app":
            raise ValueError(
                f"{arn!r} is no application load balancer: a web application firewall reads HTTP"
            )
        if found:
            must_be_aws_region(found["region"])
        return arn

    @field_validator("managed_rules")
    @classmethod
    def rule_groups_are_known_by_their_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not RULE_GROUP.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no rule group of AWS, such as AWSManagedRulesCommonRuleSet"
                )
            if names.count(name) > 1:
                raise ValueError(f"{name} is given twice")
        return names

    @field_validator("log_retention_days")
    @classmethod
    def logs_are_kept_for_a_time_there_is(cls, days: int) -> int:
        if days not in LOG_RETENTION_DAYS:
            raise ValueError(
                f"{days} is none of {', '.join(map(str, LOG_RETENTION_DAYS))}, which CloudWatch has"
            )
        return days

    @model_validator(mode="after")
    def something_is_there_to_be_protected(self) -> "EdgeSettings":
        if self.shield_advanced and not self.load_balancer_arn:
            raise ValueError("shield_advanced is true, but load_balancer_arn was not given")
        return self

    @property
    def region(self) -> str:
        """Of the load balancer, which must have been given."""
        return self._load_balancer()["region"]

    @property
    def account_id(self) -> str:
        """Of the load balancer, which must have been given."""
        return self._load_balancer()["account"]

    def _load_balancer(self) -> "re.Match[str]":
        found = LOAD_BALANCER.fullmatch(self.load_balancer_arn or "")
        assert found is not None, "asked only where there is one"
        return found
