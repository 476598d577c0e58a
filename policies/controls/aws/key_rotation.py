"""Keys of KMS rotate."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.environment import everywhere
from policies.parameters import Parameter
from policies.resources import Resource

SYMMETRIC = "SYMMETRIC_DEFAULT"
# Of KMS, where the program says nothing.
DEFAULT_DAYS = 365


def check(key: Resource, settings: Settings) -> Findings:
    """KMS rotates symmetric keys alone."""
    if (key.get("customerMasterKeySpec") or SYMMETRIC) != SYMMETRIC:
        return
    if not key.get("enableKeyRotation"):
        yield Finding("enableKeyRotation", "is not true")
        return
    days = key.get("rotationPeriodInDays") or DEFAULT_DAYS
    if days > settings["maximum_days"]:
        yield Finding("rotationPeriodInDays", f"is more than {settings['maximum_days']}")


CONTROL = ResourceControl(
    module=__name__,
    title="Keys rotate",
    why="the longer one key is used, the more is lost with it",
    mend="Set enableKeyRotation: true, and rotationPeriodInDays to the key's cryptoperiod or less.",
    references=("PCI DSS 4.0.1 3.7.4", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=("aws:kms/key:Key",),
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "maximum_days": Parameter(
            "integer", everywhere(365), "The longest cryptoperiod, days.", minimum=90
        )
    },
    check=check,
)
