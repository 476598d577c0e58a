"""Buckets' policies refuse plain HTTP."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws_policies import (
    NoPolicyError,
    Statement,
    conditions,
    denies,
    matches,
    means_everybody,
    statements,
)
from policies.reading.aws_values import texts
from policies.resources import Resource

SECURE = "aws:securetransport"
# An action as good as any: the statement must be about all of them.
ALL = ("*", "s3:*")


def check(policy: Resource, settings: Settings) -> Findings:
    """One statement has to refuse everybody everything, in the bucket and about it."""
    text = policy.get("policy")
    try:
        refused = [each for _, each in statements(text, "policy") if _refuses(each)]
    except NoPolicyError:
        refused = []
    if not refused:
        yield Finding("policy", "refuses no plain HTTP")
    elif not any(_covers_all(each) for each in refused):
        yield Finding("policy", "refuses plain HTTP for a part of the bucket alone")


def _refuses(statement: Statement) -> bool:
    """Without TLS, and on no further condition."""
    if not denies(statement) or not means_everybody(statement.get("Principal")):
        return False
    if not any(action in ALL for action in texts(statement.get("Action"))):
        return False
    found = [
        (operator.removesuffix("IfExists"), key, tuple(map(str.lower, values)))
        for operator, key, values in conditions(statement)
    ]
    return found == [("Bool", SECURE, ("false",))]


def _covers_all(statement: Statement) -> bool:
    """The bucket, and the objects in it."""
    names = [each.rpartition(":")[2] for each in texts(statement.get("Resource"))]
    buckets = {each.partition("/")[0] for each in names}
    return any(_covers(names, each) and _covers(names, f"{each}/an/object") for each in buckets)


def _covers(patterns: list[str], name: str) -> bool:
    return any(matches(each, name) for each in patterns)


CONTROL = ResourceControl(
    module=__name__,
    title="Buckets refuse plain HTTP",
    why="what goes over it, and who asked, is read by everybody on the way",
    mend="Deny Principal * Action s3:* on the bucket and on its objects, with Condition "
    "Bool aws:SecureTransport false, in a statement of its own.",
    references=("PCI DSS 4.0.1 4.2.1", "PCI DSS 4.0.1 2.2.7", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=("aws:s3/bucketPolicy:BucketPolicy",),
    # A policy may speak of a key that is not there yet.
    when_unknown=WhenUnknown.DEFER,
    check=check,
)
