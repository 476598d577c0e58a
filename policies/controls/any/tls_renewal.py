"""Certificates are renewed before they end."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.tls import CERTIFICATES, HOURS_A_DAY
from policies.resources import Resource

WHERE = "earlyRenewalHours"


def check(certificate: Resource, settings: Settings) -> Findings:
    """Left out, the first `up` that renews one is the one after its end."""
    days = settings["minimum_days"]
    early = certificate.get(WHERE) or 0
    if early < days * HOURS_A_DAY:
        yield Finding(WHERE, f"is less than {days} days")
    if early >= (certificate.get("validityPeriodHours") or 0):
        yield Finding(WHERE, "is not less than validityPeriodHours: every up would renew it")


CONTROL = ResourceControl(
    module=__name__,
    title="Certificates are renewed before they end",
    why="an expired certificate stops every connection at once, on a day nobody chose",
    mend="Set earlyRenewalHours to at least setting minimum_days of this control.",
    references=("PCI DSS 4.0.1 4.2.1.1", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6"),
    severity=Severity.HIGH,
    types=CERTIFICATES,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer", 14, "How long before its end a certificate is renewed, days.", minimum=1
        )
    },
    check=check,
)
