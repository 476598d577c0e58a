"""A program works in the account it is meant for, whoever runs it."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws_values import PROVIDERS, decoded
from policies.resources import Resource


def check(provider: Resource, settings: Settings) -> Findings:
    """A list of accounts that are forbidden lets all others in."""
    if not decoded(provider.get("allowedAccountIds") or ()):
        yield Finding("allowedAccountIds", "is missing")


CONTROL = ResourceControl(
    module=__name__,
    title="Providers refuse any other account",
    why="with the credentials of another environment, the program would be made there",
    mend="Set allowedAccountIds of the provider; of the default one, by pulumi config set --path "
    "'aws:allowedAccountIds[0]'.",
    references=("PCI DSS 4.0.1 6.5.3", "PCI DSS 4.0.1 2.2.3", "FCA SYSC 13.7"),
    severity=Severity.MEDIUM,
    types=PROVIDERS,
    when_unknown=WhenUnknown.DEFER,
    check=check,
)
