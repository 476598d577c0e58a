"""What is deleted in one region stays in the other."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import REPLICATION, enabled_rules
from policies.resources import Resource


def check(replication: Resource, settings: Settings) -> Findings:
    """A rule of the first kind, which has no filter, copies deletions unasked."""
    for path, rule in enabled_rules(replication):
        if (rule.get("deleteMarkerReplication") or {}).get("status") != "Disabled":
            yield Finding(f"{path}.deleteMarkerReplication.status", "is not Disabled")


CONTROL = ResourceControl(
    module=__name__,
    title="Deletions are not replicated",
    why="who deletes everything in one region has then deleted it in both",
    mend="Set deleteMarkerReplication with status Disabled, and a filter, on the rule.",
    references=("PCI DSS 4.0.1 10.3.2", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=REPLICATION,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
