"""Spec of aws-bucket-retention."""

from policy_aws import VAULT, sidecar
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

EXPIRES = "expiration.days of side"
NONCURRENT = "noncurrentVersionExpiration.noncurrentDays of side"


def rule(noncurrent=None, expires=None, status="Enabled", prefix=""):
    found = {"status": status, "filter": {"prefix": prefix}}
    if noncurrent is not None:
        found["noncurrentVersionExpiration"] = {"noncurrentDays": noncurrent}
    if expires is not None:
        found["expiration"] = {"days": expires}
    return found


def lifecycle(*rules, **more):
    return sidecar("BucketLifecycleConfiguration", {"rules": list(rules)}, **more)


def lock(days, **more):
    rule = {"defaultRetention": {"mode": "COMPLIANCE", "days": days}}
    return sidecar("BucketObjectLockConfiguration", {"rule": rule}, name="lock", **more)


SPEC = Spec(
    passes={
        "nothing is removed": passes(VAULT),
        "deletions can be undone for long enough": passes(VAULT, lifecycle(rule(30)), lock(38)),
        "all goes at an age, and is locked until then": passes(
            VAULT, lifecycle(rule(1), rule(expires=366)), lock(366)
        ),
        "all goes at an age, and is not locked": passes(
            VAULT, lifecycle(rule(92), rule(expires=92))
        ),
        "a rule that is off": passes(VAULT, lifecycle(rule(1, status="Disabled"))),
        "markers of nothing": passes(
            VAULT,
            lifecycle({"status": "Enabled", "expiration": {"expiredObjectDeleteMarker": True}}),
        ),
    },
    fails={
        "deletions can be undone for a day": fails(
            VAULT, lifecycle(rule(1)), lock(38), at=("vault", f"rules[0].{NONCURRENT}")
        ),
        "of some objects": fails(
            VAULT,
            lifecycle(rule(30), rule(7, prefix="wal/")),
            at=("vault", f"rules[1].{NONCURRENT}"),
        ),
        "all goes at an age, and is not locked until then": fails(
            VAULT, lifecycle(rule(1), rule(expires=92)), at=("vault", f"rules[0].{NONCURRENT}")
        ),
        "something goes at an age, the rest is deleted by others": fails(
            VAULT,
            lifecycle(rule(1), rule(expires=366, prefix="logs/")),
            lock(366),
            at=("vault", f"rules[0].{NONCURRENT}"),
        ),
        "all goes too early": fails(
            VAULT, lifecycle(rule(expires=7)), at=("vault", f"rules[0].{EXPIRES}")
        ),
        "all goes before its lock is over": fails(
            VAULT, lifecycle(rule(expires=92)), lock(366), at=("vault", f"rules[0].{EXPIRES}")
        ),
    },
    unknown={
        "after how many days": unseen(
            VAULT,
            lifecycle(rule(UNKNOWN)),
            at=("vault", "rules[0].noncurrentVersionExpiration.noncurrentDays"),
        ),
        "how long it is locked": unseen(
            VAULT, lifecycle(rule(30)), lock(UNKNOWN), at=("vault", "rule.defaultRetention.days")
        ),
        "whose rules they are": unseen(
            VAULT, lifecycle(rule(30), of=None), at=("vault", "bucket of side")
        ),
        "whose lock it is": unseen(
            VAULT, lifecycle(rule(30)), lock(38, of=None), at=("vault", "bucket of lock")
        ),
    },
    overridden={
        "less will do": configured({"minimum_days": 7}, passes(VAULT, lifecycle(rule(7)))),
        "more is asked for": configured(
            {"minimum_days": 90},
            fails(VAULT, lifecycle(rule(30)), at=("vault", f"rules[0].{NONCURRENT}")),
        ),
        "in staging less will do": configured(
            {}, passes(VAULT, lifecycle(rule(7))), environment="staging"
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "deletions can be undone for a day": edit(
            "production",
            "components/vault_aws.py",
            "Lifecycle(noncurrent_days=args.retention_days)",
            "Lifecycle(noncurrent_days=1)",
        ),
        "access logs can be deleted within a day": edit(
            "production",
            "components/aws/audit.py",
            "Lifecycle(noncurrent_days=AT_HAND_DAYS, expiration_days=AT_HAND_DAYS)",
            "Lifecycle(noncurrent_days=1, expiration_days=AT_HAND_DAYS)",
        ),
    },
)
