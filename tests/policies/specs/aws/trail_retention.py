"""Spec of aws-trail-retention."""

from policy_aws import OTHER, TRAIL, TRAILED, VAULT, sidecar
from policy_spec import (
    UNKNOWN,
    Edit,
    Mutation,
    Spec,
    configured,
    fails,
    passes,
    resource,
    unseen,
)

FILE = "components/aws/audit.py"
EXPIRES = ("trail", "rules[0].expiration.days of lifecycle")
LOCKED = ("trail", "rule.defaultRetention of vault")


def expiring(days, of=VAULT, status="Enabled"):
    rule = {"status": status, "expiration": {"days": days}}
    return sidecar("BucketLifecycleConfiguration", {"rules": [rule]}, of=of, name="lifecycle")


def lock(days, of=VAULT):
    rule = {"defaultRetention": {"mode": "COMPLIANCE", "days": days}}
    return sidecar("BucketObjectLockConfiguration", {"rule": rule}, of=of, name="lock")


LOCK_LINE = "lock=Lock(settings.lock_mode, settings.log_retention_days)"
LIFECYCLE_LINE = "Lifecycle(noncurrent_days=1, expiration_days=settings.log_retention_days)"

SPEC = Spec(
    passes={
        "for a year": passes(VAULT, TRAILED, expiring(366), lock(366)),
        "for ever, and locked for a year": passes(VAULT, TRAILED, lock(365)),
        "in a bucket of somebody else": passes(
            VAULT, resource(TRAIL, "trail", {"s3BucketName": "their-audit"})
        ),
        "another bucket is for less": passes(
            VAULT, TRAILED, lock(366), OTHER, expiring(30, of=OTHER)
        ),
        "a rule that is off": passes(VAULT, TRAILED, expiring(30, status="Disabled"), lock(366)),
    },
    fails={
        "for a month": fails(VAULT, TRAILED, expiring(30), lock(366), at=EXPIRES),
        "locked for a month": fails(VAULT, TRAILED, expiring(366), lock(30), at=LOCKED),
        "not locked": fails(VAULT, TRAILED, expiring(366), at=LOCKED),
    },
    unknown={
        "where it is": unseen(
            VAULT,
            resource(TRAIL, "trail", {"s3BucketName": UNKNOWN}),
            at=("trail", "s3BucketName"),
        ),
        "whose lock it is": unseen(
            VAULT, TRAILED, lock(366, of=None), at=("trail", "bucket of lock")
        ),
        "for how long": unseen(
            VAULT, TRAILED, expiring(UNKNOWN), lock(366), at=("trail", "rules[0].expiration.days")
        ),
    },
    overridden={
        "a month will do": configured(
            {"minimum_days": 30}, passes(VAULT, TRAILED, expiring(30), lock(30))
        ),
        "in staging three months will do": configured(
            {}, passes(VAULT, TRAILED, expiring(90), lock(90)), environment="staging"
        ),
    },
    not_applicable={"no trail": passes(VAULT, expiring(1))},
    mutations={
        "locked for three months": Mutation(
            "production",
            (Edit(FILE, LOCK_LINE, "lock=Lock(settings.lock_mode, AT_HAND_DAYS)"),),
        ),
        "for three months": Mutation(
            "production",
            (
                Edit(FILE, LOCK_LINE, "lock=Lock(settings.lock_mode, AT_HAND_DAYS)"),
                Edit(
                    FILE,
                    LIFECYCLE_LINE,
                    "Lifecycle(noncurrent_days=1, expiration_days=AT_HAND_DAYS)",
                ),
            ),
        ),
    },
)
