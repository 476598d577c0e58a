"""Private keys of TLS are strong."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.resources import Resource

# The provider's own choices, where the program makes none.
DEFAULT_BITS = 2048
DEFAULT_CURVE = "P224"
CURVES = ("P256", "P384", "P521")


def check(key: Resource, settings: Settings) -> Findings:
    """ED25519 has but one strength."""
    algorithm = key.get("algorithm")
    if algorithm == "RSA":
        if (key.get("rsaBits") or DEFAULT_BITS) < settings["minimum_rsa_bits"]:
            yield Finding("rsaBits", f"is less than {settings['minimum_rsa_bits']}")
    elif algorithm == "ECDSA":
        if (key.get("ecdsaCurve") or DEFAULT_CURVE) not in CURVES:
            yield Finding("ecdsaCurve", f"is none of: {', '.join(CURVES)}")
    elif algorithm != "ED25519":
        yield Finding("algorithm", "is none of: ECDSA, ED25519, RSA")


CONTROL = ResourceControl(
    module=__name__,
    title="Keys of TLS are strong",
    why="what was recorded today is read as soon as a weak key is broken",
    mend="Use ECDSA with P256 or better, ED25519, or a longer RSA key.",
    references=("PCI DSS 4.0.1 3.7.1", "PCI DSS 4.0.1 4.2.1", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=("tls:index/privateKey:PrivateKey",),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        # 128 bits of strength (NIST SP 800-57), as P256 has.
        "minimum_rsa_bits": Parameter("integer", 3072, "The shortest RSA key, bits.", minimum=2048)
    },
    check=check,
)
