"""Roles are taken on by whom they are for, and by nobody of the same kind."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.parameters import Parameter
from policies.reading.aws_policies import (
    TRUST,
    Statement,
    allows,
    conditions,
    is_narrowed,
    matches,
    may_miss,
    principals,
    statement_control,
)
from policies.reading.aws_values import texts

BY_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
# What a token says of whom it is for, and of whom it speaks.
CLAIMS = ("aud", "sub")


def judge(statement: Statement, settings: Settings) -> Iterator[tuple[str, str]]:
    """An identity provider vouches for all its users; a service acts for all its customers."""
    if not allows(statement):
        return
    if any(matches(each, BY_WEB_IDENTITY) for each in texts(statement.get("Action"))):
        for claim in CLAIMS:
            problem = _claim(statement, claim, settings)
            if problem:
                yield "Condition", problem
    services = principals(statement, "Service")
    if any(each in settings["services"] for each in services) and not is_narrowed(statement):
        yield "Condition", "does not say for which resource or account the service asks"


def _claim(statement: Statement, claim: str, settings: Settings) -> str | None:
    found = [
        (operator, value)
        for operator, key, values in conditions(statement)
        if key.endswith(f":{claim}") and "Not" not in operator and not may_miss(operator)
        for value in values
    ]
    if not found or any(not value.strip("*?") for _, value in found):
        return f"does not say which {claim} is meant"
    patterns = any(
        operator.endswith("Like") and ("*" in value or "?" in value) for operator, value in found
    )
    return f"has a pattern for {claim}" if patterns and not settings["patterns"] else None


CONTROL = statement_control(
    __name__,
    policies=TRUST,
    judge=judge,
    title="Roles trust whom they are for",
    why="or else every user of an identity provider, or customer of a service, takes it on",
    mend="Restrict web identity by StringEquals of its aud and sub, and a service by aws:SourceArn "
    "or aws:SourceAccount.",
    references=("PCI DSS 4.0.1 7.2.5", "PCI DSS 4.0.1 8.6.3", "GDPR Art. 32(4)"),
    severity=Severity.CRITICAL,
    parameters={
        "patterns": Parameter(
            "boolean", False, "Whether StringLike with a pattern will do, such as of branches."
        ),
        "services": Parameter(
            "strings",
            (
                *("s3.amazonaws.com", "cloudtrail.amazonaws.com", "config.amazonaws.com"),
                *("vpc-flow-logs.amazonaws.com", "batchoperations.s3.amazonaws.com"),
            ),
            "Services that say for whom they ask.",
        ),
    },
)
