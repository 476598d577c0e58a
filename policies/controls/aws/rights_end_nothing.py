"""Nobody who works with data may end what protects it."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.parameters import Parameter
from policies.reading.aws_policies import RIGHTS, Statement, allows, matches, statement_control
from policies.reading.aws_values import texts

ENDING = (
    "s3:DeleteObjectVersion",
    "s3:BypassGovernanceRetention",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:DeleteBucket",
    "s3:ReplicateDelete",
    "kms:ScheduleKeyDeletion",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "backup:DeleteRecoveryPoint",
    "cloudtrail:StopLogging",
    "cloudtrail:DeleteTrail",
)


def judge(statement: Statement, settings: Settings) -> Iterator[tuple[str, str]]:
    """A pattern that covers such an action gives it too."""
    if not allows(statement):
        return
    actions = texts(statement.get("Action"))
    for ending in settings["actions"]:
        if any(matches(each, ending) for each in actions):
            yield "Action", f"gives {ending}"


CONTROL = statement_control(
    __name__,
    policies=RIGHTS,
    judge=judge,
    title="No identity may end the protection of data",
    why="who writes backups could then delete them, and so could whoever takes it over",
    mend="Take the right away, and leave it to administrators, outside of this program.",
    references=(
        *("PCI DSS 4.0.1 7.2.5", "PCI DSS 4.0.1 10.3.2", "PCI DSS 4.0.1 3.7.5"),
        *("GDPR Art. 32(1)(b)", "FCA SYSC 4.1.7"),
    ),
    severity=Severity.CRITICAL,
    parameters={"actions": Parameter("strings", ENDING, "Actions that nobody is given.")},
)
