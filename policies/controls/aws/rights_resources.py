"""Identities are given rights for what they work with."""

import re
from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.parameters import Parameter
from policies.reading.aws_policies import RIGHTS, Statement, allows, matches, statement_control
from policies.reading.aws_values import texts

# Actions for which AWS knows no resource
# (https://docs.aws.amazon.com/service-authorization/latest/reference/).
ANYWHERE = (
    "sts:GetCallerIdentity",
    "ecr:GetAuthorizationToken",
    "ec2:Describe*",
    "cloudwatch:PutMetricData",
    "logs:DescribeLogGroups",
    "kms:ListAliases",
    "kms:ListKeys",
    "s3:ListAllMyBuckets",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
)
# Services in whose ARNs the name stands first, and what is in it behind.
WITHOUT_KIND = ("s3", "execute-api")
SEPARATORS = re.compile("[/:]")


def judge(statement: Statement, settings: Settings) -> Iterator[tuple[str, str]]:
    """`*`, and ARNs that leave all of a service's resources open."""
    if not allows(statement):
        return
    if "NotResource" in statement:
        yield "NotResource", "allows it for every other resource"
    if not any(_is_open(each) for each in texts(statement.get("Resource"))):
        return
    actions = texts(statement.get("Action"))
    anywhere = settings["anywhere"]
    if not actions or not all(any(matches(each, a) for each in anywhere) for a in actions):
        yield "Resource", "is a wildcard"


def _is_open(resource: str) -> bool:
    """`*`, or an ARN in which nothing but a kind is named: `arn:aws:s3:::*`, `…:table/*`."""
    parts = resource.split(":", 5)
    if len(parts) < len(("arn", "partition", "service", "region", "account", "name")):
        return resource == "*"
    service, name = parts[2], parts[5]
    kind, *rest = SEPARATORS.split(name, maxsplit=1)
    return not (kind if service in WITHOUT_KIND or not rest else rest[0]).strip("*/:")


CONTROL = statement_control(
    __name__,
    policies=RIGHTS,
    judge=judge,
    title="Rights are for named resources",
    why="who takes such an identity over has whatever else is in the account as well",
    mend="Name the ARNs it works with, and Allow with Resource.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(4)"),
    severity=Severity.HIGH,
    parameters={
        "anywhere": Parameter(
            "strings",
            ANYWHERE,
            "Actions that are allowed for any resource, since AWS knows none for them; patterns.",
        )
    },
)
