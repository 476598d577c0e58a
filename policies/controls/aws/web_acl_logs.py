"""What a web application firewall refused is written down."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.resources import Resource, Stack

FIREWALLS = ("aws:wafv2/webAcl:WebAcl",)
LOGGING = ("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",)


def check(firewall: Resource, stack: Stack, settings: Settings) -> Findings:
    """Where it goes to says the resource itself."""
    joined = stack.referring(firewall, LOGGING, "resourceArn", ("arn",))
    if not joined.found:
        yield from (Unseen(f"resourceArn of {each.name}", firewall) for each in joined.possible)
        if not joined.possible:
            yield Finding("WebAclLoggingConfiguration", "is missing", firewall)


CONTROL = StackControl(
    module=__name__,
    title="Firewalls write down what they refuse",
    why="an attack that is not seen is not answered, and a rule that is wrong not noticed",
    mend="Give it a WebAclLoggingConfiguration, without the headers that let somebody in.",
    references=("PCI DSS 4.0.1 10.2.1", "PCI DSS 4.0.1 6.4.2", "GDPR Art. 33"),
    severity=Severity.MEDIUM,
    types=(*FIREWALLS, *LOGGING),
    subjects=FIREWALLS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
