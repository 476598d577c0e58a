"""Who touched what in a bucket is written down."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import (
    LOG_SIGNS,
    TRAILS,
    sidecar_control,
    takes_access_logs,
    takes_trail,
)
from policies.resources import Resource, Stack


def judge(
    logging: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Where it is written to says the resource itself."""
    yield from ()


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketLogging",
    judge=judge,
    # Each line of a log would make the next one.
    but=(takes_access_logs, takes_trail),
    also=(*LOG_SIGNS, *TRAILS),
    title="Access to buckets is logged",
    why="nobody could say afterwards what an intruder has read",
    mend="Give the bucket a BucketLogging to a bucket of its own region that keeps logs.",
    references=(
        *("PCI DSS 4.0.1 10.2.1", "PCI DSS 4.0.1 10.2.1.1", "GDPR Art. 33", "GDPR Art. 5(2)"),
        "FCA SYSC 9.1.1",
    ),
    severity=Severity.MEDIUM,
)
