"""lock.py: every version is locked from when it was written; what may go goes, nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BUCKET = "selfmonitor-test"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def refusal(operation: str) -> ClientError:
    error: Any = {"Error": {"Code": "AccessDenied", "Message": "locked"}}
    return ClientError(error, operation)


@dataclass
class Gateway:
    """versitygw as far as locks go: LastModified lies, ids do not, and pages repeat something."""

    now: datetime = NOW
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    locks: dict[str, datetime] = field(default_factory=dict)
    uploads: list[dict[str, Any]] = field(default_factory=list)
    page: int = 1000
    made: int = 0

    def write(self, key: str, days_ago: float, size: int | None = 5, locked: bool = True) -> str:
        """A version, or with no size a delete marker."""
        moment = self.now - timedelta(days=days_ago)
        milliseconds, identity = int(moment.timestamp() * 1000), ""
        for _ in range(10):
            milliseconds, rest = divmod(milliseconds, 32)
            identity = CROCKFORD[rest] + identity
        self.made += 1
        identity += f"{self.made:016d}"
        found = {"Key": key, "VersionId": identity, "LastModified": self.now}
        self.history.setdefault(key, []).append(found | ({} if size is None else {"Size": size}))
        if size is not None and locked:
            self.locks[identity] = moment + timedelta(days=30)
        return identity

    def left(self) -> dict[str, int]:
        return {key: len(found) for key, found in self.history.items() if found}

    # What the program calls.

    def get_paginator(self, operation: str) -> Any:
        gateway = self

        class Pages:
            def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
                if operation == "list_multipart_uploads":
                    yield {"Uploads": list(gateway.uploads)}
                    return
                found = [
                    each
                    for key in sorted(gateway.history)
                    for each in reversed(gateway.history[key])
                ]
                for start in range(0, len(found), gateway.page):
                    # The last one of a page comes again.
                    part = found[max(0, start - 1) : start + gateway.page]
                    yield {
                        "Versions": [each for each in part if "Size" in each],
                        "DeleteMarkers": [each for each in part if "Size" not in each],
                    }

        return Pages()

    def put_object_retention(self, **call: Any) -> None:
        until = call["Retention"]["RetainUntilDate"]
        assert call["Retention"]["Mode"] == "COMPLIANCE"
        assert until > self.now
        if self.locks.get(call["VersionId"], until) > until:
            raise refusal("PutObjectRetention")
        self.locks[call["VersionId"]] = until

    def delete_object(self, **call: Any) -> None:
        (victim,) = [
            each for each in self.history[call["Key"]] if each["VersionId"] == call["VersionId"]
        ]
        # What has no lock of its own has the bucket's.
        if (
            "Size" in victim
            and self.locks.get(call["VersionId"], datetime.max.replace(tzinfo=UTC)) > self.now
        ):
            raise refusal("DeleteObject")
        self.history[call["Key"]].remove(victim)

    def abort_multipart_upload(self, **call: Any) -> None:
        self.uploads = [each for each in self.uploads if each["UploadId"] != call["UploadId"]]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def keep(programs: Any, gateway: Gateway) -> Callable[..., Any]:
    def keep(**more: Any) -> Any:
        return programs.lock.keep(gateway, BUCKET, 30, gateway.now, **more)

    return keep


def test_each_version_is_locked_from_when_it_was_written(
    gateway: Gateway, keep: Callable[..., Any]
) -> None:
    old = gateway.write("a", 10, locked=False)
    new = gateway.write("a", 1, locked=False)
    gateway.write("b", 2, None)
    assert keep().locked == 2
    assert gateway.locks == {old: NOW + timedelta(days=20), new: NOW + timedelta(days=29)}
    assert gateway.left() == {"a": 2, "b": 1}


def test_what_was_locked_before_is_not_asked_for_again(
    gateway: Gateway, keep: Callable[..., Any]
) -> None:
    gateway.write("a", 10, locked=False)
    new = gateway.write("b", 1, locked=False)
    assert keep(since=NOW - timedelta(days=2)).locked == 1
    assert list(gateway.locks) == [new]


def test_one_that_is_locked_for_longer_stays_so(gateway: Gateway, keep: Callable[..., Any]) -> None:
    identity = gateway.write("a", 10)
    gateway.locks[identity] = NOW + timedelta(days=300)
    keep()
    assert gateway.locks[identity] == NOW + timedelta(days=300)


def test_one_that_was_forgotten_until_its_time_was_over_can_go_at_last(
    gateway: Gateway, keep: Callable[..., Any]
) -> None:
    gateway.write("a", 90, locked=False)
    gateway.write("a", 50, locked=False)
    assert keep().refused == 1
    assert gateway.left() == {"a": 2}
    gateway.now += timedelta(hours=1)
    assert keep(since=gateway.now).removed == 1
    assert gateway.left() == {"a": 1}


@pytest.mark.parametrize(
    ("days_ago", "left"),
    [
        # Current, however old.
        ([400], 1),
        # Replaced long ago, lock expired.
        ([90, 50], 1),
        ([90, 60, 50], 1),
        # Replaced a day ago: that may have been an attack on what was locked no more.
        ([90, 1], 2),
        ([90, 60, 1], 2),
        # Replaced long ago, still locked.
        ([29, 20], 2),
    ],
)
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_what_was_replaced_goes_after_its_lock_and_a_week(
    gateway: Gateway, keep: Callable[..., Any], days_ago: list[float], left: int, page: int
) -> None:
    gateway.page = page
    for each in days_ago:
        gateway.write("a", each)
    keep(since=NOW)
    assert gateway.left() == {"a": left}
    assert (
        max(each["VersionId"] for each in gateway.history["a"])
        == gateway.history["a"][-1]["VersionId"]
    )


@pytest.mark.parametrize(
    ("written", "deleted", "left"),
    [
        # Expired and deleted long ago: nothing is left, not even the marker.
        (90, 50, {}),
        # Deleted this week: both stay.
        (90, 3, {"a": 2}),
        # Still locked.
        (29, 20, {"a": 2}),
    ],
)
def test_a_marker_goes_when_nothing_is_left_under_it(
    gateway: Gateway, keep: Callable[..., Any], written: float, deleted: float, left: dict[str, int]
) -> None:
    gateway.write("a", written)
    gateway.write("a", deleted, None)
    done = keep(since=NOW)
    assert gateway.left() == left
    assert (done.removed, done.markers) == ((0, 0) if left else (1, 1))
    assert done.bytes == (0 if left else 5)


def test_the_gateway_has_the_last_word(gateway: Gateway, keep: Callable[..., Any]) -> None:
    first = gateway.write("a", 90)
    gateway.write("a", 80)
    gateway.write("a", 50)
    gateway.locks[first] = NOW + timedelta(days=1)
    done = keep(since=NOW)
    assert (done.removed, done.refused) == (0, 1)
    assert gateway.left() == {"a": 3}


def test_one_pass_has_an_end(
    programs: Any, gateway: Gateway, keep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abc":
        gateway.write(key, 90)
        gateway.write(key, 50)
    monkeypatch.setattr(programs.lock, "MOST_REMOVALS", 2)
    first = keep(since=NOW)
    assert (first.removed, first.more) == (2, True)
    second = keep(since=NOW)
    assert (second.removed, second.more) == (1, False)
    assert gateway.left() == {"a": 1, "b": 1, "c": 1}


def test_uploads_that_were_given_up_are_ended(gateway: Gateway, keep: Callable[..., Any]) -> None:
    for name, hours in (("old", 25), ("new", 23)):
        begun = NOW - timedelta(hours=hours)
        gateway.uploads.append({"Key": "a", "UploadId": name, "Initiated": begun})
    assert keep().uploads == 1
    assert [each["UploadId"] for each in gateway.uploads] == ["new"]


def test_another_kind_of_id_means_that_the_vaults_time_is_right(programs: Any) -> None:
    assert programs.lock.written("null", NOW) == NOW
    assert programs.lock.written("01M830QTCZ7QZEF2N2ETR725W0", NOW) == datetime(
        2026, 11, 23, 1, 36, 13, 727000, tzinfo=UTC
    )
