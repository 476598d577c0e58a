"""No policy of a resource lets everybody in: of a key, a bucket, a role or a queue."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws_policies import (
    OF_RESOURCES,
    Statement,
    allows,
    is_narrowed,
    means_everybody,
    statement_control,
)


def judge(statement: Statement, settings: Settings) -> Iterator[tuple[str, str]]:
    """Whoever is not named in NotPrincipal is everybody as well."""
    if not allows(statement) or is_narrowed(statement):
        return
    if "NotPrincipal" in statement:
        yield "NotPrincipal", "lets in everybody else"
    elif means_everybody(statement.get("Principal")):
        yield "Principal", "is everybody"


CONTROL = statement_control(
    __name__,
    policies=OF_RESOURCES,
    judge=judge,
    title="Policies name who is meant",
    why="a wildcard as principal is every account of AWS there is, or all who are anonymous",
    mend="Name accounts, roles or services, or say by a condition such as aws:PrincipalArn or "
    "aws:SourceArn who is meant.",
    references=(
        *("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.3.3", "PCI DSS 4.0.1 3.6.1.3"),
        *("GDPR Art. 25(2)", "GDPR Art. 32(4)"),
    ),
    severity=Severity.CRITICAL,
)
