"""Certificates that a program makes."""

from policies.resources import Resource

CERTIFICATES = (
    "tls:index/selfSignedCert:SelfSignedCert",
    "tls:index/locallySignedCert:LocallySignedCert",
)
HOURS_A_DAY = 24


def is_authority(certificate: Resource) -> bool:
    """Whether it may sign others. Raises UnknownUsedError."""
    return bool(certificate.get("isCaCertificate"))
