"""How long each version is kept: the lock it is given, and what may go once that has expired.

versitygw knows when a version was written only by its id, a ULID that begins with the time:
LastModified of a noncurrent version is when it was replaced, and a delete marker's is that of what
it deleted (measured, 1.8.0).
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# A deletion or an overwriting that nobody meant can be undone for at least this long, also when
# the lock of what it hit had run out by then. The copy, too, learns of deletions by the markers.
GRACE = timedelta(days=7)
# An upload that was begun and not finished by then was given up.
UPLOAD = timedelta(days=1)
# A lock that ends in the past is refused. Seconds enough for the request.
SHORTEST_LOCK = timedelta(minutes=1)
# One pass removes no more than this, so that it ends; the next goes on.
MOST_REMOVALS = 20_000

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def written(version_id: str, modified: datetime) -> datetime:
    """When a version was made, or a marker set."""
    if len(version_id) != 26 or not set(version_id) <= set(CROCKFORD):
        return modified
    milliseconds = 0
    for letter in version_id[:10]:
        milliseconds = milliseconds * 32 + CROCKFORD.index(letter)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker. replaced: when it stopped to be current."""

    key: str
    id: str
    size: int
    written: datetime
    marker: bool
    replaced: datetime | None


@dataclass
class Done:
    """What a pass did. bytes: of the removed versions."""

    locked: int = 0
    removed: int = 0
    markers: int = 0
    bytes: int = 0
    uploads: int = 0
    refused: int = 0
    more: bool = False


def versions(client: Any, bucket: str) -> Iterator[list[Version]]:
    """All versions of one key after the other, newest first."""
    for key, found in itertools.groupby(_listed(client, bucket), key=lambda each: each["Key"]):
        # The gateway may begin a page with what the one before ended with.
        once = {each["VersionId"]: each for each in found}.values()
        history = [(written(each["VersionId"], each["LastModified"]), each) for each in once]
        history.sort(key=lambda each: (each[0], each[1]["VersionId"]), reverse=True)
        replaced: datetime | None = None
        result = []
        for time, each in history:
            marker = "Size" not in each
            size = 0 if marker else each["Size"]
            result.append(Version(key, each["VersionId"], size, time, marker, replaced))
            replaced = time
        yield result


def _listed(client: Any, bucket: str) -> Iterator[dict[str, Any]]:
    """By key; one key's may span two pages, and a page has versions and markers apart."""
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        both = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        yield from sorted(both, key=lambda each: each["Key"])


def keep(
    client: Any,
    bucket: str,
    days: int,
    now: datetime,
    *,
    since: datetime | None = None,
    grace: timedelta = GRACE,
) -> Done:
    """One pass. Locks what was written at or after `since` (None: all), removes what may go.

    A version may go when it is not current, was replaced longer than `grace` ago, and its lock of
    `days` has expired, which the gateway has the last word on; a marker when it was set longer
    than `grace` ago and nothing is left under it. Never what is current.
    """
    done = Done()
    span = timedelta(days=days)
    grace = min(grace, span)
    for history in versions(client, bucket):
        for version in history:
            if not version.marker and (since is None or version.written >= since):
                _lock(client, bucket, version, max(version.written + span, now + SHORTEST_LOCK))
                done.locked += 1
        if len(history) > 1 or history[0].marker:
            _remove(client, bucket, history, now, span, grace, done)
    _abort_uploads(client, bucket, now, done)
    return done


def _lock(client: Any, bucket: str, version: Version, until: datetime) -> None:
    from botocore.exceptions import ClientError

    try:
        client.put_object_retention(
            Bucket=bucket,
            Key=version.key,
            VersionId=version.id,
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
        )
    except ClientError as error:
        # Locked for longer already.
        if error.response["Error"]["Code"] != "AccessDenied":
            raise


def _remove(
    client: Any,
    bucket: str,
    history: list[Version],
    now: datetime,
    span: timedelta,
    grace: timedelta,
    done: Done,
) -> None:
    """Of one key, oldest first, so that what is left is a history without gaps."""
    left = len(history)
    for version in reversed(history):
        if version.marker and left == 1:
            may_go = version.written + grace <= now
        else:
            may_go = (
                version.replaced is not None
                and version.replaced + grace <= now
                and version.written + span <= now
            )
        if not may_go:
            return
        if done.removed + done.markers >= MOST_REMOVALS:
            done.more = True
            return
        if not _delete(client, bucket, version):
            done.refused += 1
            return
        left -= 1
        if version.marker:
            done.markers += 1
        else:
            done.removed += 1
            done.bytes += version.size


def _delete(client: Any, bucket: str, version: Version) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.delete_object(Bucket=bucket, Key=version.key, VersionId=version.id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def _abort_uploads(client: Any, bucket: str, now: datetime, done: Done) -> None:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            if upload["Initiated"] + UPLOAD < now:
                client.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                done.uploads += 1
