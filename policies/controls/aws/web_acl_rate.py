"""A web application firewall limits how often one may ask."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.aws_values import decoded, every
from policies.resources import Resource

# Over which WAF counts, s, where nothing is said; and in which limits are compared here.
WINDOW_SECONDS = 300


def check(firewall: Resource, settings: Settings) -> Findings:
    """One rule that blocks is enough."""
    limits = list(_limits(firewall))
    if not limits:
        yield Finding("rules", "limit no rate")
    elif min(limits) > settings["maximum_requests"]:
        yield Finding(
            "rules", f"allow more than {settings['maximum_requests']} requests in five minutes"
        )


def _limits(firewall: Resource) -> Iterator[float]:
    """Requests in the usual window, of all rules that block who exceeds them."""
    rules = [rule for _, rule in every(firewall, "rules[]")]
    raw = decoded(firewall.get("ruleJson") or ())
    for each in (*rules, *(raw if isinstance(raw, list) else ())):
        rule: Mapping[str, Any] = each
        action = rule.get("action") or rule.get("Action") or {}
        statement = rule.get("statement") or rule.get("Statement") or {}
        rate = statement.get("rateBasedStatement") or statement.get("RateBasedStatement")
        if rate and ("block" in action or "Block" in action):
            window = rate.get("evaluationWindowSec") or rate.get("EvaluationWindowSec")
            limit = rate.get("limit") or rate.get("Limit")
            yield limit * WINDOW_SECONDS / (window or WINDOW_SECONDS)


CONTROL = ResourceControl(
    module=__name__,
    title="Firewalls limit rates",
    why="one address can try every password there is, or keep everybody else away",
    mend="Give it a rule with a rateBasedStatement and action block.",
    references=("PCI DSS 4.0.1 6.4.2", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6"),
    severity=Severity.MEDIUM,
    types=("aws:wafv2/webAcl:WebAcl",),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "maximum_requests": Parameter(
            "integer", 100_000, "The highest limit, requests of one address in 300 s.", minimum=10
        )
    },
    check=check,
)
