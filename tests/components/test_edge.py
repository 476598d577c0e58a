"""What stands before a load balancer: nothing unless one is named."""

from collections.abc import Callable
from typing import Any

import pytest

from components.edge import protect_edge
from settings.edge import EdgeSettings

ARN = "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/app/health/0123456789abcdef"


def provided(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    arn = f"arn:aws:test:{inputs.get('region')}:123456789012:{inputs.get('name')}"
    return name, {**inputs, "arn": arn}


@pytest.fixture(scope="module")
def run_edge(recorder: Callable[..., Any]) -> Callable[..., Any]:
    def run(**settings: Any) -> Any:
        chosen = EdgeSettings.model_validate(settings)
        return recorder(
            lambda: protect_edge("production", chosen) and None,
            stack="production",
            answers=provided,
        )

    return run


@pytest.fixture(scope="module")
def edge(run_edge: Callable[..., Any]) -> Any:
    return run_edge(load_balancer_arn=ARN)


def test_nothing_is_registered_unless_a_load_balancer_is_named(
    run_edge: Callable[..., Any], local: Any
) -> None:
    assert run_edge().requests == []
    assert not [
        each for each in local.requests if each.type.startswith(("aws:", "selfmonitor:edge"))
    ]
    assert "edge" not in {each.name for each in local.requests}


def test_a_firewall_stands_before_it_and_logs_what_it_refuses(edge: Any) -> None:
    (association,) = edge.of("WebAclAssociation")
    assert association.inputs["resourceArn"] == ARN
    firewall = edge.named("WebAcl", "edge-firewall")
    assert association.inputs["webAclArn"].endswith("selfmonitor-production")
    assert firewall.inputs["scope"] == "REGIONAL"
    assert firewall.inputs["defaultAction"] == {"allow": {}}
    (logging,) = edge.of("WebAclLoggingConfiguration")
    (log,) = edge.of("LogGroup")
    assert log.inputs["name"] == "aws-waf-logs-selfmonitor-production"
    assert logging.inputs["logDestinationConfigs"][0].endswith(log.inputs["name"])
    assert logging.inputs["loggingFilter"] == {
        "defaultBehavior": "DROP",
        "filters": [
            {
                "behavior": "KEEP",
                "requirement": "MEETS_ANY",
                "conditions": [{"actionCondition": {"action": "BLOCK"}}],
            }
        ],
    }


def test_what_lets_somebody_in_is_in_no_log(edge: Any) -> None:
    (logging,) = edge.of("WebAclLoggingConfiguration")
    assert logging.inputs["redactedFields"] == [
        {"singleHeader": {"name": "authorization"}},
        {"singleHeader": {"name": "cookie"}},
    ]


def test_a_flood_is_refused_before_any_rule_group_is_asked(run_edge: Callable[..., Any]) -> None:
    found = run_edge(load_balancer_arn=ARN, requests_per_5_minutes=321)
    rules = found.named("WebAcl", "edge-firewall").inputs["rules"]
    first = min(rules, key=lambda rule: rule["priority"])
    assert first["action"] == {"block": {}}
    assert first["statement"]["rateBasedStatement"] == {
        "aggregateKeyType": "IP",
        "limit": 321,
        "evaluationWindowSec": 300,
    }


def test_the_rule_groups_are_asked_in_the_order_of_the_stack_file(
    edge: Any, run_edge: Callable[..., Any]
) -> None:
    def groups(found: Any) -> list[str]:
        rules = found.named("WebAcl", "edge-firewall").inputs["rules"]
        assert len({rule["priority"] for rule in rules}) == len(rules)
        managed = [each for each in rules if "managedRuleGroupStatement" in each["statement"]]
        for each in managed:
            assert each["overrideAction"] == {"none": {}}, "its own actions hold"
            assert each["statement"]["managedRuleGroupStatement"]["vendorName"] == "AWS"
        return [each["name"] for each in sorted(managed, key=lambda rule: rule["priority"])]

    assert groups(edge) == [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesSQLiRuleSet",
    ]
    chosen = ["AWSManagedRulesLinuxRuleSet", "AWSManagedRulesCommonRuleSet"]
    assert groups(run_edge(load_balancer_arn=ARN, managed_rules=chosen)) == chosen


def test_everything_it_does_can_be_measured(edge: Any) -> None:
    inputs = edge.named("WebAcl", "edge-firewall").inputs
    configurations = [inputs["visibilityConfig"]]
    configurations += [rule["visibilityConfig"] for rule in inputs["rules"]]
    assert all(each["cloudwatchMetricsEnabled"] for each in configurations)
    names = [each["metricName"] for each in configurations]
    assert len(set(names)) == len(names)


def test_the_log_is_kept_for_twelve_months_whatever_becomes_of_the_stack(edge: Any) -> None:
    (log,) = edge.of("LogGroup")
    assert log.inputs["retentionInDays"] == 400
    assert (log.protected, log.retained) == (True, True)


def test_shield_advanced_is_for_those_who_ask_for_it(
    edge: Any, run_edge: Callable[..., Any]
) -> None:
    assert edge.of("Protection") == []
    (found,) = run_edge(load_balancer_arn=ARN, shield_advanced=True).of("Protection")
    assert found.inputs["resourceArn"] == ARN
    # It is paid for by subscribing, which no program does.
    assert not [each for each in edge.requests if "Subscription" in each.type]


def test_it_is_made_in_the_load_balancers_region_and_account(edge: Any) -> None:
    (provider,) = [each for each in edge.requests if each.type == "pulumi:providers:aws"]
    assert provider.inputs["region"] == "eu-west-2"
    assert "123456789012" in str(provider.inputs["allowedAccountIds"])
    for each in edge.requests:
        if each.type.startswith("aws:"):
            assert each.provider.startswith(provider.urn)
            assert each.inputs["region"] == "eu-west-2"


def test_every_input_is_one_the_installed_sdk_knows(
    run_edge: Callable[..., Any], unknown_inputs: Callable[..., list[str]]
) -> None:
    found = run_edge(load_balancer_arn=ARN, shield_advanced=True)
    custom = [each for each in found.requests if each.custom]
    assert len(custom) == 6
    for each in custom:
        assert unknown_inputs(each.type, each.raw, each.name) == []


def test_a_preview_without_any_id_registers_the_same(
    edge: Any, recorder: Callable[..., Any]
) -> None:
    settings = EdgeSettings(load_balancer_arn=ARN)
    found = recorder(
        lambda: protect_edge("production", settings) and None,
        stack="production",
        preview=True,
        answers=lambda token, name, inputs: ("", inputs),
    )
    assert {each.urn for each in found.requests} == {each.urn for each in edge.requests}
