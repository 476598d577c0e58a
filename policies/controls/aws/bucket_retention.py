"""No rule of a lifecycle removes what is still to be kept."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.aws import (
    BUCKETS,
    LIFECYCLE,
    LOCK,
    enabled_rules,
    is_whole,
    lock_days,
    sidecars,
)
from policies.resources import Resource, Stack

EXPIRES = "expiration.days"
NONCURRENT = "noncurrentVersionExpiration.noncurrentDays"


def check(bucket: Resource, stack: Stack, settings: Settings) -> Findings:
    """Where everything expires at an age, what counts is the age at which a version goes: until
    then a lock keeps it as well. Where nothing does, somebody deletes what is current, however old,
    and it counts how long that can be undone.
    """
    lifecycles, unseen = sidecars(bucket, stack, LIFECYCLE)
    locks, more = sidecars(bucket, stack, LOCK)
    yield from (*unseen, *more)
    locked = max((lock_days(each) or 0 for each in locks), default=0)
    shortest = max(settings["minimum_days"], locked)
    for lifecycle in lifecycles:
        rules = list(enabled_rules(lifecycle))
        by_age = False
        for path, days, whole in _days(rules, EXPIRES):
            by_age = by_age or whole
            if days < shortest:
                where = f"{path}.{EXPIRES} of {lifecycle.name}"
                yield Finding(where, f"is less than {shortest}", bucket)
        for path, days, _ in _days(rules, NONCURRENT):
            kept = max(days, locked) if by_age else days
            if kept < settings["minimum_days"]:
                where = f"{path}.{NONCURRENT} of {lifecycle.name}"
                yield Finding(where, f"is less than {settings['minimum_days']}", bucket)


def _days(
    rules: list[tuple[str, Mapping[str, Any]]], where: str
) -> Iterator[tuple[str, int, bool]]:
    """(path, days, whether it is about all objects) of the rules that remove something."""
    part, key = where.split(".")
    for path, rule in rules:
        days = (rule.get(part) or {}).get(key)
        if days:
            yield path, days, is_whole(rule)


CONTROL = StackControl(
    module=__name__,
    title="Nothing is removed before its time",
    why="what a lifecycle removed is gone, also for a restore and for an inquiry",
    mend="Set its days to the time one must be able to restore or to show, and not below the lock.",
    references=(
        *("PCI DSS 4.0.1 10.5.1", "PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)"),
        *("FCA SYSC 4.1.7", "FCA SYSC 9.1.2"),
    ),
    severity=Severity.HIGH,
    types=(*BUCKETS, *LIFECYCLE, *LOCK),
    subjects=BUCKETS,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_days": Parameter(
            "integer",
            PerEnvironment(1, 7, 30),
            "How long a version is kept at least, days; not less than the bucket's lock where it "
            "expires by age.",
            minimum=1,
        )
    },
    check=check,
)
