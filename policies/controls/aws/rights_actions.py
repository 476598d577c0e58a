"""Identities are given rights that are written out."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.parameters import Parameter
from policies.reading.aws_policies import RIGHTS, Statement, allows, statement_control
from policies.reading.aws_values import texts


def judge(statement: Statement, settings: Settings) -> Iterator[tuple[str, str]]:
    """`*` and `s3:*` are never right; `s3:Get*` where the settings say so."""
    if not allows(statement):
        return
    if "NotAction" in statement:
        yield "NotAction", "allows every other action"
    actions = texts(statement.get("Action"))
    if any(each.rpartition(":")[2] == "*" for each in actions):
        yield "Action", "has a wildcard for all actions"
    elif not settings["patterns"] and any("*" in each or "?" in each for each in actions):
        yield "Action", "has a wildcard"


CONTROL = statement_control(
    __name__,
    policies=RIGHTS,
    judge=judge,
    title="Rights are written out",
    why="what a wildcard allows tomorrow, with the next action of AWS, nobody has read today",
    mend="Write the actions out, and Allow with Action.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(4)"),
    severity=Severity.HIGH,
    parameters={
        "patterns": Parameter("boolean", False, "Whether patterns such as s3:Get* are allowed.")
    },
)
