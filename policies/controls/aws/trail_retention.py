"""What a trail has seen is kept, and locked, for as long as is asked."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.aws import (
    BUCKET_NAMES,
    BUCKETS,
    LIFECYCLE,
    LOCK,
    RETENTION,
    TRAILS,
    enabled_rules,
    lock_days,
    sidecars,
)
from policies.resources import Resource, Stack

EXPIRES = "expiration.days"


def check(trail: Resource, stack: Stack, settings: Settings) -> Findings:
    """A bucket outside of the program is judged where it is made."""
    shortest = settings["minimum_days"]
    for bucket in stack.of(BUCKETS):
        joined = stack.referring(bucket, TRAILS, "s3BucketName", BUCKET_NAMES)
        if trail in joined.possible:
            yield Unseen("s3BucketName", trail)
            return
        if trail not in joined.found:
            continue
        lifecycles, unseen = sidecars(bucket, stack, LIFECYCLE)
        locks, more = sidecars(bucket, stack, LOCK)
        yield from (Unseen(each.where, trail) for each in (*unseen, *more))
        for lifecycle in lifecycles:
            for path, rule in enabled_rules(lifecycle):
                days = (rule.get("expiration") or {}).get("days")
                if days and days < shortest:
                    where = f"{path}.{EXPIRES} of {lifecycle.name}"
                    yield Finding(where, f"is less than {shortest}", trail)
        if not more and max((lock_days(each) or 0 for each in locks), default=0) < shortest:
            where = f"{RETENTION} of {bucket.name}"
            yield Finding(where, f"is less than {shortest} days", trail)


CONTROL = StackControl(
    module=__name__,
    title="What trails saw is kept and locked",
    why="intruders are noticed months later, and deleted evidence tells nothing",
    mend="Set the bucket's expiration, and the days of its object lock, to twelve months or more.",
    references=(
        *("PCI DSS 4.0.1 10.5.1", "PCI DSS 4.0.1 10.3.2", "GDPR Art. 33"),
        *("FCA SYSC 9.1.1", "FCA SYSC 9.1.2"),
    ),
    severity=Severity.HIGH,
    types=(*TRAILS, *BUCKETS, *LIFECYCLE, *LOCK),
    subjects=TRAILS,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer", PerEnvironment(30, 90, 365), "The shortest time, days.", minimum=1
        )
    },
    check=check,
)
