"""What is stored cannot be deleted before its time, by nobody."""

from collections.abc import Iterator

from policies.contract import Level, Settings, Severity
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.aws import (
    LOG_SIGNS,
    RETENTION,
    lock_days,
    sidecar_control,
    takes_access_logs,
)
from policies.resources import Resource, Stack

COMPLIANCE = "COMPLIANCE"
GOVERNANCE = "GOVERNANCE"


def judge(
    lock: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Without a default, only what its writer locks is locked."""
    if (lock.get("objectLockEnabled") or "Enabled") != "Enabled":
        yield "objectLockEnabled", "is not Enabled"
        return
    mode, days = lock.get(f"{RETENTION}.mode"), lock_days(lock)
    if mode is None or days is None:
        yield RETENTION, "is missing"
        return
    if mode not in settings["modes"]:
        yield f"{RETENTION}.mode", "is not one of setting modes"
    if days < settings["minimum_days"]:
        yield RETENTION, f"is less than {settings['minimum_days']} days"


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketObjectLockConfiguration",
    judge=judge,
    but=(takes_access_logs,),
    also=LOG_SIGNS,
    title="What is stored is locked",
    why="who takes over an account, or errs in it, deletes the backups first",
    mend="Give the bucket a BucketObjectLockConfiguration with a defaultRetention: mode "
    "COMPLIANCE, days as long as one has to be able to restore.",
    references=(
        *("PCI DSS 4.0.1 10.3.2", "PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(b)"),
        *("FCA SYSC 4.1.7", "FCA SYSC 9.1.2"),
    ),
    severity=Severity.CRITICAL,
    enforcement=PerEnvironment(Level.ADVISORY, Level.MANDATORY, Level.MANDATORY),
    parameters={
        "modes": Parameter(
            "strings",
            PerEnvironment((COMPLIANCE, GOVERNANCE), (COMPLIANCE, GOVERNANCE), (COMPLIANCE,)),
            "Modes that are enough: GOVERNANCE can be bypassed by a right, COMPLIANCE by none.",
            choices=(COMPLIANCE, GOVERNANCE),
        ),
        "minimum_days": Parameter(
            "integer", PerEnvironment(1, 7, 30), "The shortest lock, days.", minimum=1
        ),
    },
)
