"""Authorities sign and do nothing else, and nothing else signs."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.tls import CERTIFICATES, is_authority
from policies.resources import Resource

SIGNS = "cert_signing"
OF_AUTHORITIES = (SIGNS, "crl_signing", "digital_signature", "ocsp_signing")
ANYTHING = "any_extended"


def check(certificate: Resource, settings: Settings) -> Findings:
    """By what it may be used for."""
    uses = certificate.get("allowedUses") or ()
    if ANYTHING in uses:
        yield Finding("allowedUses", "has any_extended")
    if is_authority(certificate):
        if SIGNS not in uses:
            yield Finding("allowedUses", f"of an authority does not have {SIGNS}")
        if any(each not in OF_AUTHORITIES and each != ANYTHING for each in uses):
            yield Finding("allowedUses", "of an authority has more than signing")
    elif SIGNS in uses:
        yield Finding("allowedUses", f"has {SIGNS} without being an authority's")


CONTROL = ResourceControl(
    module=__name__,
    title="Authorities sign, and nothing else does",
    why="a server's key that may sign makes whoever steals it into anybody",
    mend="Give authorities cert_signing and crl_signing, others what they do, nobody any_extended.",
    references=("PCI DSS 4.0.1 3.6.1", "PCI DSS 4.0.1 4.2.1.1", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=CERTIFICATES,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
