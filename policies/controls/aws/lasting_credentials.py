"""There are no users of IAM and no keys that last: identities are proved anew each time."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.resources import Resource

LASTING = (
    "aws:iam/accessKey:AccessKey",
    "aws:iam/user:User",
    "aws:iam/userLoginProfile:UserLoginProfile",
    "aws:iam/serviceSpecificCredential:ServiceSpecificCredential",
    "aws:iam/signingCertificate:SigningCertificate",
    "aws:lightsail/bucketAccessKey:BucketAccessKey",
)


def check(resource: Resource, settings: Settings) -> Findings:
    """There is none that is right."""
    yield Finding("type", "is one of credentials that last")


CONTROL = ResourceControl(
    module=__name__,
    title="No credential lasts",
    why="a key that lasts is found in a log or a laptop years later, and still opens",
    mend="Use a role, taken on by web identity, by a machine's own, or by single sign-on.",
    references=(
        *("PCI DSS 4.0.1 8.3.2", "PCI DSS 4.0.1 8.6.2", "PCI DSS 4.0.1 8.6.3"),
        *("GDPR Art. 32(1)(b)", "GDPR Art. 32(4)"),
    ),
    severity=Severity.CRITICAL,
    types=LASTING,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
