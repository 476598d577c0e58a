"""Certificates last no longer than they may."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.tls import CERTIFICATES, HOURS_A_DAY, is_authority
from policies.resources import Resource

WHERE = "validityPeriodHours"


def check(certificate: Resource, settings: Settings) -> Findings:
    """An authority lasts longer than what it signs."""
    key = "maximum_authority_days" if is_authority(certificate) else "maximum_days"
    days = settings[key]
    hours = certificate.get(WHERE) or 0
    if hours <= 0:
        yield Finding(WHERE, "is no time")
    elif hours > days * HOURS_A_DAY:
        yield Finding(WHERE, f"is more than {days} days")


CONTROL = ResourceControl(
    module=__name__,
    title="Certificates last no longer than they may",
    why="nobody takes back a stolen certificate of a private authority: it is good until its end",
    mend="Shorten it to setting maximum_days, or maximum_authority_days, of this control.",
    references=("PCI DSS 4.0.1 3.7.4", "PCI DSS 4.0.1 4.2.1.1", "GDPR Art. 32(1)(a)"),
    severity=Severity.MEDIUM,
    types=CERTIFICATES,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "maximum_days": Parameter("integer", 398, "The longest life, days.", minimum=1),
        "maximum_authority_days": Parameter(
            "integer", 3650, "The longest life of an authority, days.", minimum=1
        ),
    },
    check=check,
)
