"""How far behind a copy is can be seen."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import REPLICATION, enabled_rules
from policies.resources import Resource


def check(replication: Resource, settings: Settings) -> Findings:
    """Of each rule that is on."""
    for path, rule in enabled_rules(replication):
        metrics = (rule.get("destination") or {}).get("metrics") or {}
        if metrics.get("status") != "Enabled":
            yield Finding(f"{path}.destination.metrics.status", "is not Enabled")


CONTROL = ResourceControl(
    module=__name__,
    title="Replication is measured",
    why="a copy that has stopped looks like any other until the day it is needed",
    mend="Set destination.metrics with status Enabled and an eventThreshold of 15 minutes, and "
    "replicationTime with them.",
    references=("PCI DSS 4.0.1 10.7.2", "GDPR Art. 32(1)(d)", "FCA SYSC 15A.2.9"),
    severity=Severity.MEDIUM,
    types=REPLICATION,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
