"""Spec of aws-bucket-object-lock."""

from policy_aws import LETS_LOGS_IN, LOGGED, LOGS, UNTOLD_LOGGING, VAULT, sidecar
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

RETENTION = "rule.defaultRetention"


def lock(mode="COMPLIANCE", days=38, **more):
    return sidecar(
        "BucketObjectLockConfiguration",
        {"rule": {"defaultRetention": {"mode": mode, "days": days}}},
        **more,
    )


def years(number):
    return sidecar(
        "BucketObjectLockConfiguration",
        {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "years": number}}},
    )


SPEC = Spec(
    passes={
        "locked": passes(VAULT, lock()),
        "for years": passes(VAULT, years(1)),
        "but where access logs go": passes(VAULT, lock(), LOGS, LOGGED),
        "the same, where the policy alone says so": passes(VAULT, LETS_LOGS_IN),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketObjectLockConfiguration")),
        "nothing is locked by default": fails(
            VAULT,
            sidecar("BucketObjectLockConfiguration", {"objectLockEnabled": "Enabled"}),
            at=("vault", f"{RETENTION} of side"),
        ),
        "a right bypasses it": fails(
            VAULT, lock("GOVERNANCE"), at=("vault", f"{RETENTION}.mode of side")
        ),
        "too short": fails(VAULT, lock(days=29), at=("vault", f"{RETENTION} of side")),
        "both": fails(
            VAULT,
            lock("GOVERNANCE", 1),
            at=(("vault", f"{RETENTION}.mode of side"), ("vault", f"{RETENTION} of side")),
        ),
    },
    unknown={
        "how long": unseen(VAULT, lock(days=UNKNOWN), at=("vault", f"{RETENTION}.days of side")),
        "how": unseen(VAULT, lock(UNKNOWN), at=("vault", f"{RETENTION}.mode of side")),
        "of which bucket": unseen(VAULT, lock(of=None), at=("vault", "bucket of side")),
        "where access logs go": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    overridden={
        "a shorter one will do": configured({"minimum_days": 7}, passes(VAULT, lock(days=7))),
        "a longer one is asked for": configured(
            {"minimum_days": 400}, fails(VAULT, years(1), at=("vault", f"{RETENTION} of side"))
        ),
        "a right may bypass it": configured(
            {"modes": ["GOVERNANCE"]}, passes(VAULT, lock("GOVERNANCE"))
        ),
        "in staging less is asked for": configured(
            {}, passes(VAULT, lock("GOVERNANCE", 7)), environment="staging"
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "there is none": edit(
            "production",
            "components/vault_aws.py",
            "lock=Lock(settings.lock_mode, args.lock_days)",
            "lock=None",
        ),
        "too short": edit(
            "production",
            "components/vault_aws.py",
            "Lock(settings.lock_mode, args.lock_days)",
            "Lock(settings.lock_mode, 1)",
        ),
        "a right bypasses it": edit(
            "production",
            "components/vault_aws.py",
            "Lock(settings.lock_mode, args.lock_days)",
            'Lock("GOVERNANCE", args.lock_days)',
        ),
    },
)
