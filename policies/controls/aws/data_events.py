"""CloudTrail sees each access to each object."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.parameters import Parameter
from policies.reading.aws import BUCKETS, LOG_SIGNS, TRAILS, takes_access_logs, takes_trail
from policies.reading.aws_values import every, texts
from policies.resources import Resource, Stack
from policies.values import UnknownUsedError

OBJECTS = "AWS::S3::Object"
ARN = "resources.ARN"
# The fields by which a selector leaves no event of its objects out.
WHOLE = {"eventCategory", "resources.type", ARN}
# Which ARNs a selector means that does not say.
ANY: Mapping[str, Any] = {"startsWiths": ["arn:aws:s3"]}


def check(bucket: Resource, stack: Stack, settings: Settings) -> Findings:
    """By a trail of this program, unless another one watches."""
    if settings["trail_elsewhere"]:
        return
    # Each file a trail writes would make the next event.
    if takes_access_logs(bucket, stack) or takes_trail(bucket, stack):
        return
    if not any(_watches(trail, bucket) for trail in stack.of(TRAILS)):
        yield Finding("name", "is in no trail's data events", bucket)


def _watches(trail: Resource, bucket: Resource) -> bool:
    """Without a name of its own, a bucket is found by reference."""
    name = bucket.get("bucket")
    unseen = None
    for key, prefixes in _selected(trail):
        is_referred_to = bucket.urn in trail.references.get(key, ())
        try:
            found = texts(prefixes)
        except UnknownUsedError as error:
            if is_referred_to:
                return True
            unseen = error
            continue
        if any(_is_in(name, each) for each in found) if isinstance(name, str) else is_referred_to:
            return True
    if unseen:
        raise unseen
    return False


def _is_in(name: str, prefix: str) -> bool:
    """`arn:aws:s3` is all buckets; what is a bucket's own ends with a slash."""
    return f"{name}/".startswith(prefix.partition(":::")[2])


def _selected(trail: Resource) -> Iterator[tuple[str, Any]]:
    """(property, how ARNs begin) of each selector of reads and writes of objects."""
    for _, selector in every(trail, "advancedEventSelectors[]"):
        fields = {each.get("field"): each for each in selector.get("fieldSelectors") or ()}
        is_data = _says(fields, "eventCategory", "Data")
        if is_data and _says(fields, "resources.type", OBJECTS) and not set(fields) - WHOLE:
            yield "advancedEventSelectors", fields.get(ARN, ANY).get("startsWiths")
    for _, selector in every(trail, "eventSelectors[]"):
        if (selector.get("readWriteType") or "All") == "All":
            for data in selector.get("dataResources") or ():
                if data.get("type") == OBJECTS:
                    yield "eventSelectors", data.get("values")


def _says(fields: Mapping[str, Mapping[str, Any]], field: str, value: str) -> bool:
    return value in texts(fields.get(field, {}).get("equals"))


CONTROL = StackControl(
    module=__name__,
    title="Each access to an object is seen",
    why="access logs come when they come and may leave lines out: by them alone nothing is proved",
    mend="Have a trail select data events of AWS::S3::Object for the bucket, reads and writes.",
    references=("PCI DSS 4.0.1 10.2.1.1", "GDPR Art. 33", "GDPR Art. 5(2)", "FCA SYSC 9.1.1"),
    severity=Severity.MEDIUM,
    types=(*BUCKETS, *LOG_SIGNS, *TRAILS),
    subjects=BUCKETS,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "trail_elsewhere": Parameter(
            "boolean",
            False,
            "Whether a trail outside of the program watches, as an organisation's.",
        )
    },
    check=check,
)
