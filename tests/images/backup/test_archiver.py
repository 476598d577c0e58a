"""What is made of the archiver's figures, and how long a switch of WAL waits for them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from backup_service import archiver
from backup_service.archiver import judge, observe, reached, switch_wal, unknown
from backup_service.jobs import JobFailed

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SEGMENT = "0000000100000000000000A1"
NEXT = "0000000100000000000000A2"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("archived", "failed", "waiting", "oldest", "state"),
    [
        (ago(10), None, 0, None, "ok"),
        (None, None, 0, None, "ok"),
        (ago(10), ago(20), 1, 5.0, "ok"),
        (ago(20), ago(10), 1, 15.0, "failing"),
        # Just promoted: as a standby it waited for the old primary to push.
        (ago(20), ago(10), 0, None, "ok"),
        (None, ago(10), 1, 15.0, "failing"),
        (ago(2000), ago(1000), 3, 1900.0, "failing"),
        (ago(2000), ago(1000), 0, None, "ok"),
        (ago(300), None, 4, 180.1, "stuck"),
        (ago(300), None, 1, 180.0, "ok"),
        (ago(1), None, 100, 200.0, "stuck"),
    ],
)
def test_the_state_of_the_archiver(
    archived: datetime | None,
    failed: datetime | None,
    waiting: int,
    oldest: float | None,
    state: str,
) -> None:
    found, message = judge(NOW, archived, SEGMENT, failed, waiting, oldest)
    assert found == state
    if state == "failing":
        assert SEGMENT in message
    if state == "stuck":
        assert f"oldest of {waiting}" in message


@pytest.mark.parametrize(
    ("archived", "there"),
    [
        (None, False),
        ("0000000100000000000000A0", False),
        (SEGMENT, True),
        (NEXT, True),
        ("000000010000000100000000", True),
        ("0000000200000000000000A1", True),
        ("00000002000000000000009F", False),
        ("00000002.history", False),
        ("0000000100000000000000A3.00000028.backup", False),
    ],
)
def test_whether_the_archiver_has_reached_a_segment(archived: str | None, there: bool) -> None:
    assert reached(archived, SEGMENT) is there


class Primary:
    """answers: rows of ARCHIVED, one after the other, the last one again and again."""

    def __init__(self, *answers: tuple[Any, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.info = type("Info", (), {"host": "postgres-2"})

    def __enter__(self) -> "Primary":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str, values: Any = ()) -> "Primary":
        self.statement = statement
        return self

    def fetchone(self) -> tuple[Any, ...]:
        if "pg_switch_wal" in self.statement:
            return NOW, SEGMENT
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def row(
    archived: str | None = None, failed_at: datetime | None = None, done: bool = False
) -> tuple[Any, ...]:
    return NOW + timedelta(seconds=9), archived, ago(60), SEGMENT, failed_at, done


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[Any], dict[str, Any]]:
    """switch_wal at this primary; each look takes a second."""
    clock = [0.0]

    def sleep(_: float) -> None:
        clock[0] += 1

    class Bounded:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(archiver, "bounded", Bounded)
    monkeypatch.setattr(archiver.time, "sleep", sleep)
    monkeypatch.setattr(archiver.time, "monotonic", lambda: clock[0])

    def run(primary: Any) -> dict[str, Any]:
        monkeypatch.setattr(archiver, "connect", lambda *_, **__: primary)
        return switch_wal(settings)

    return run


def test_a_switch_waits_until_its_segment_is_archived(switch: Any) -> None:
    primary = Primary(row(), row("0000000100000000000000A0"), row(SEGMENT))
    found = switch(primary)
    assert found == {"segment": SEGMENT, "time": "2026-11-23T01:00:00.000Z", "seconds": 2.0}
    assert primary.asked == 3


def test_a_segment_that_is_done_is_archived_whatever_came_last(switch: Any) -> None:
    assert switch(Primary(row("00000002.history", done=True)))["segment"] == SEGMENT


def test_one_failure_is_none_if_success_follows(switch: Any) -> None:
    failed = NOW + timedelta(seconds=1)
    assert switch(Primary(row(failed_at=failed), row(SEGMENT, failed)))["seconds"] == 1.0


def test_an_archiver_that_fails_is_named(switch: Any) -> None:
    primary = Primary(row(failed_at=NOW + timedelta(seconds=5)))
    with pytest.raises(JobFailed, match=f"postgres-2 could not archive {SEGMENT} 4 s ago"):
        switch(primary)
    assert primary.asked < 20


def test_an_old_failure_is_not_this_ones(switch: Any) -> None:
    assert switch(Primary(*[row(failed_at=ago(5))] * 20, row(SEGMENT)))["seconds"] == 20.0


def test_an_archiver_that_does_nothing_is_not_waited_for_for_ever(switch: Any) -> None:
    primary = Primary(row())
    with pytest.raises(JobFailed, match=f"{SEGMENT} is not archived after 120 s"):
        switch(primary)
    assert primary.asked < 130


def test_a_primary_that_is_away_is_said_in_one_line(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection to\n postgres-1 refused\n")

    monkeypatch.setattr(archiver, "connect", refuse)
    with pytest.raises(JobFailed, match=r"switch WAL: connection to postgres-1 refused$"):
        switch_wal(settings)


def test_what_is_observed_and_what_is_unknown_have_the_same_form() -> None:
    primary: Any = Primary()
    figures = (NOW, SEGMENT, ago(3), 2, NEXT, ago(1), 2, ago(40), 2 * 2**24, 5 * 2**24, 40.0)
    primary.answers = [figures]
    found = observe(primary)
    assert found == {
        "time": "2026-11-23T01:00:00.000Z",
        "primary": "postgres-2",
        "last_archived": SEGMENT,
        "last_archived_at": "2026-11-23T00:59:57.000Z",
        "failed_count": 2,
        "last_failed_at": "2026-11-23T00:59:59.000Z",
        "waiting_segments": 2,
        "waiting_bytes": 2 * 2**24,
        "oldest_waiting_seconds": 40.0,
        "wal_bytes": 5 * 2**24,
        "state": "failing",
        "message": f"archiving {NEXT} failed 1 s ago, 2 segments wait: see the primary's log and "
        "the vault",
    }
    nothing = unknown("away")
    assert nothing.keys() == found.keys()
    assert (nothing["state"], nothing["message"]) == ("unknown", "away")
