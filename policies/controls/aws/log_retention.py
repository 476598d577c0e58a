"""Logs in CloudWatch are kept for as long as is asked."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.resources import Resource


def check(group: Resource, settings: Settings) -> Findings:
    """Without a number, or with 0, they are kept for ever."""
    days = group.get("retentionInDays")
    if days and days < settings["minimum_days"]:
        yield Finding("retentionInDays", f"is less than {settings['minimum_days']}")


CONTROL = ResourceControl(
    module=__name__,
    title="Logs are kept",
    why="intruders are noticed months later, when the log of their first day is gone",
    mend="Set retentionInDays to twelve months or more; the first such of CloudWatch is 365.",
    references=("PCI DSS 4.0.1 10.5.1", "GDPR Art. 33", "FCA SYSC 9.1.2"),
    severity=Severity.MEDIUM,
    types=("aws:cloudwatch/logGroup:LogGroup",),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer", PerEnvironment(1, 90, 365), "The shortest time, days.", minimum=1
        )
    },
    check=check,
)
