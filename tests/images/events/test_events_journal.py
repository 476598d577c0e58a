"""What the journal keeps, over crashes and full disks, and how it hands events on."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watch_events import journal as module
from watch_events.event import Event, from_line
from watch_events.journal import Follower, Journal, TooManyFollowers

Maker = Callable[..., Event]


def add(journal: Journal, new: str | None = "redis-1", service: str = "redis") -> Event:
    return journal.add(service, "failover", "redis-2", new, "it died", generation=3)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_an_event_is_one_line_with_all_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path, clock=lambda: "2026-11-22T22:10:03.123Z")
    add(journal)
    assert lines(path) == [
        {
            "id": 1,
            "time": "2026-11-22T22:10:03.123Z",
            "service": "redis",
            "kind": "failover",
            "old": "redis-2",
            "new": "redis-1",
            "reason": "it died",
            "generation": 3,
            "seen_late": False,
        }
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = [add(Journal(path)), add(Journal(path))]
    again = Journal(path)
    assert again.after(0) == first
    assert add(again).id == 3
    assert [each["id"] for each in lines(path)] == [1, 2, 3]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_written_half_way_is_cut_off(tmp_path: Path, some_event: Maker, kept: int) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(some_event(1).line() + some_event(2).line()[:kept])
    journal = Journal(path)
    assert [each.id for each in journal.after(0)] == [1]
    assert path.read_bytes() == some_event(1).line()
    add(journal)
    assert [each["id"] for each in lines(path)] == [1, 2]


@pytest.mark.parametrize(
    "nonsense", [b"\0\0\0\n", b"[]\n", b"{}\n", b'{"id": 1}\n', b"\xff\n", b"[" * 9999 + b"\n"]
)
def test_a_line_that_is_no_event_costs_no_other(
    tmp_path: Path, some_event: Maker, nonsense: bytes
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(some_event(1).line() + nonsense + some_event(2).line() + nonsense)
    assert [each.id for each in Journal(path).after(0)] == [1, 2]
    assert not path.read_bytes().endswith(nonsense)


def test_a_field_that_a_later_version_added_is_no_obstacle(some_event: Maker) -> None:
    more = {**json.loads(some_event(5).line()), "colour": "red"}
    assert from_line(json.dumps(more).encode()) == some_event(5)


def test_the_newest_are_kept_and_never_more_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 10)
    monkeypatch.setattr(module, "FEWEST_AFTER_ROTATION", 7)
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    for number in range(1, 26):
        add(journal)
        found = [each["id"] for each in lines(path)]
        assert 7 <= len(found) <= 10 or found == list(range(1, number + 1))
        assert found == list(range(found[0], number + 1))
        assert [each.id for each in journal.after(0)] == found
    assert [each.id for each in Journal(path).after(0)] == found
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["events.jsonl"]


def test_a_rotation_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 3)
    monkeypatch.setattr(module, "FEWEST_AFTER_ROTATION", 2)
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    for _ in range(3):
        add(journal)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        add(journal)
        assert not journal.writable()
    assert [each["id"] for each in lines(path)] == [1, 2, 3]
    assert [each.id for each in journal.after(0)] == [1, 2, 3, 4]
    assert journal.writable()
    assert [each["id"] for each in lines(path)] == [3, 4]


def fails(*_: Any) -> Any:
    raise OSError(errno.ENOSPC, "no space left on device")


def test_a_full_disk_loses_nothing_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    add(journal)
    write = os.write
    with monkeypatch.context() as patch:
        # Half a line still fits.
        patch.setattr(os, "write", lambda file, data: write(file, data[:20]) if room() else fails())
        room = iter([True] + [False] * 99).__next__
        follower, _ = journal.follow(1)
        add(journal)
        assert follower.next(1).id == 2
        assert not journal.writable()
        assert [each["id"] for each in lines(path)] == [1]
    assert journal.writable()
    assert [each["id"] for each in lines(path)] == [1, 2]
    assert [each.id for each in Journal(path).after(0)] == [1, 2]


@pytest.mark.parametrize(
    ("after", "found"),
    [(0, [3, 4, 9]), (3, [4, 9]), (4, [9]), (6, [9]), (8, [9]), (9, []), (10**18, [])],
)
def test_those_after_an_id_are_found_where_ids_are_missing_too(
    tmp_path: Path, some_event: Maker, after: int, found: list[int]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(some_event(number).line() for number in (3, 4, 9)))
    assert [each.id for each in Journal(path).after(after)] == found


def test_the_last_primary_is_of_the_service_and_of_an_event_that_named_one(
    journal: Journal,
) -> None:
    assert journal.last("redis") is None
    expected = add(journal, "redis-3")
    add(journal, None)
    add(journal, "postgres-1", service="postgres")
    assert journal.last("redis") == expected


# Who follows.


def test_a_follower_gets_what_was_and_then_what_comes_none_twice(journal: Journal) -> None:
    for _ in range(3):
        add(journal)
    follower, before = journal.follow(1)
    assert [each.id for each in before] == [2, 3]
    add(journal)
    assert follower.next(1).id == 4
    with pytest.raises(TimeoutError):
        follower.next(0.01)
    journal.end()
    with pytest.raises(EOFError):
        follower.next(1)


def test_a_slow_follower_is_dropped_and_the_others_go_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLLOWER_EVENTS", 2)
    slow, _ = journal.follow(0)
    quick, _ = journal.follow(0)
    for number in range(1, 5):
        add(journal)
        assert quick.next(1).id == number
    assert journal.followers() == 1
    with pytest.raises(EOFError):
        slow.next(1)


def test_followers_are_bounded_and_one_that_goes_makes_room(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FOLLOWERS", 2)
    first, _ = journal.follow(0)
    journal.follow(0)
    with pytest.raises(TooManyFollowers):
        journal.follow(0)
    journal.unfollow(first)
    assert isinstance(journal.follow(0)[0], Follower)
