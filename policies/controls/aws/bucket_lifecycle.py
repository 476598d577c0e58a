"""Buckets get rid of what nobody needs any more."""

from collections.abc import Iterator

from policies.contract import Settings, Severity
from policies.reading.aws import enabled_rules, is_whole, sidecar_control
from policies.resources import Resource, Stack

# {what a rule does: what is wrong where none does it}
ASKED = {
    "noncurrentVersionExpiration": "remove no noncurrent versions",
    "abortIncompleteMultipartUpload": "remove no abandoned uploads",
}


def judge(
    lifecycle: Resource, bucket: Resource, stack: Stack, settings: Settings
) -> Iterator[tuple[str, str]]:
    """By rules that are on, and are about all objects."""
    rules = [rule for _, rule in enabled_rules(lifecycle) if is_whole(rule)]
    for what, wrong in ASKED.items():
        if not any(rule.get(what) for rule in rules):
            yield "rules", wrong


CONTROL = sidecar_control(
    __name__,
    sidecar="BucketLifecycleConfiguration",
    judge=judge,
    title="Buckets have a lifecycle",
    why="in a bucket with versions nothing ever goes: what was erased is kept, and paid for",
    mend="Give the bucket a BucketLifecycleConfiguration with rules of filter prefix '' that set "
    "noncurrentVersionExpiration and abortIncompleteMultipartUpload.",
    references=("PCI DSS 4.0.1 3.2.1", "GDPR Art. 5(1)(e)", "GDPR Art. 17"),
    severity=Severity.MEDIUM,
)
