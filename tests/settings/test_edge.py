"""What stands before a load balancer: nothing by default, and one sentence for each mistake."""

from typing import Any

import pytest

from settings.edge import EdgeSettings
from settings.errors import SettingsError
from settings.load import parse

ARN = "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/app/health/0123456789abcdef"


def refusal(**edge: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse({"edge": edge}, "Pulumi.x.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.removeprefix("Pulumi.x.yaml: ")


def test_nothing_is_exposed_unless_a_load_balancer_is_named() -> None:
    assert parse({}, "x").edge.load_balancer_arn is None
    assert not EdgeSettings().shield_advanced


def test_where_it_is_follows_from_the_load_balancers_name() -> None:
    found = EdgeSettings(load_balancer_arn=ARN)
    assert (found.region, found.account_id) == ("eu-west-2", "123456789012")


@pytest.mark.parametrize("arn", ["", "health", ARN + "/x", ARN.replace("app", "classic")])
def test_a_load_balancer_is_named_by_its_arn(arn: str) -> None:
    message = refusal(load_balancer_arn=arn)
    assert message == f"edge.load_balancer_arn: {arn!r} is no load balancer of the partition `aws`"


@pytest.mark.parametrize("kind", ["net", "gwy"])
def test_a_load_balancer_that_reads_no_http_is_refused(kind: str) -> None:
    arn = ARN.replace("/app/", f"/{kind}/")
    assert refusal(load_balancer_arn=arn) == (
        f"edge.load_balancer_arn: {arn!r} is no application load balancer: a web application "
        "firewall reads HTTP"
    )


def test_docker_has_no_load_balancer() -> None:
    assert refusal(load_balancer_arn=ARN) == (
        "edge.load_balancer_arn is given, but platform is docker: no load balancer leads to it"
    )


def test_shield_protects_something() -> None:
    assert refusal(shield_advanced=True) == (
        "edge: shield_advanced is true, but load_balancer_arn was not given"
    )


@pytest.mark.parametrize("days", [0, 30, 365, 366, 401])
def test_logs_are_kept_for_twelve_months_and_a_time_cloudwatch_has(days: int) -> None:
    message = refusal(log_retention_days=days)
    assert message.startswith(f"edge.log_retention_days: {days} is none of 400, 545, ")


@pytest.mark.parametrize("rules", [[], ["CommonRuleSet"], ["AWSManagedRulesSQLiRuleSet"] * 2])
def test_rule_groups_are_those_of_aws_each_once(rules: list[str]) -> None:
    assert refusal(managed_rules=rules).startswith("edge.managed_rules: ")


@pytest.mark.parametrize("limit", [9, 2_000_000_001, "many"])
def test_a_rate_is_one_the_firewall_takes(limit: Any) -> None:
    assert refusal(requests_per_5_minutes=limit).startswith("edge.requests_per_5_minutes: ")
