"""Gaps in the WAL, across timelines too."""

from typing import Any

import pytest

from backup_service import continuity
from backup_service.recover import RecoverFailed
from backup_service.segments import at_lsn, following, segment_name, segment_number, timeline_of

FOLDER = "pgbackrest/archive/main/17-1/"
SHA1 = "0" * 40
MIB = 1024 * 1024
SIZE = 16 * MIB


def put(vault: Any, timeline: int, *numbers: int) -> None:
    for number in numbers:
        name = segment_name(timeline, number, SIZE)
        vault.put(f"{FOLDER}{name[:16]}/{name}-{SHA1}.zst", b"x")


def check(vault: Any, start: str, history: str = "") -> continuity.Continuity:
    return continuity.check(
        vault, FOLDER, start, SIZE, lambda timeline: history, sleep=lambda _: None
    )


def test_names_and_numbers() -> None:
    assert following("0000000100000000000000FF", SIZE) == "000000010000000100000000"
    assert segment_number("0000000200000001000000A3", SIZE) == (2, 0x1A3)
    assert segment_name(2, 0x1A3, SIZE) == "0000000200000001000000A3"
    assert at_lsn(1, "1/A3000028", SIZE) == "0000000100000001000000A3"
    assert timeline_of("0000000A00000001000000A3") == 10


def test_names_and_numbers_of_shorter_segments() -> None:
    assert following("0000000100000000000000FF", 4 * MIB) == "000000010000000000000100"
    assert following("0000000100000000000003FF", 4 * MIB) == "000000010000000100000000"
    assert segment_number("0000000200000001000000A3", 4 * MIB) == (2, 0x4A3)
    assert segment_name(2, 0x4A3, 4 * MIB) == "0000000200000001000000A3"
    assert at_lsn(1, "1/A3000028", 4 * MIB) == "00000001000000010000028C"


def test_all_is_there(vault: Any) -> None:
    put(vault, 1, 2, 3, 0xFE, 0xFF, 0x100, 0x101)
    vault.put(f"{FOLDER}0000000100000000/0000000100000000000000FE.00000028.backup", b"x")
    found = check(vault, segment_name(1, 0xFE, SIZE))
    assert (found.count, found.missing) == (4, ())
    assert found.last == "000000010000000100000001"
    assert [each.sha1 for each in found.there] == [SHA1] * 4
    assert "none missing" in str(found)


def test_a_missing_segment_is_named(vault: Any) -> None:
    put(vault, 1, 0xA1, 0xA2, 0xA4)
    vault.put(f"{FOLDER}0000000100000000/0000000100000000000000A3.partial-{SHA1}.zst", b"x")
    found = check(vault, segment_name(1, 0xA1, SIZE))
    assert str(found) == "WAL segment 0000000100000000000000A3 is missing in the vault"


def test_the_first_segment_may_be_the_one_that_is_missing(vault: Any) -> None:
    put(vault, 1, 3)
    assert check(vault, segment_name(1, 2, SIZE)).missing == (segment_name(1, 2, SIZE),)


def test_what_is_on_its_way_is_waited_for(vault: Any) -> None:
    put(vault, 1, 1, 3)
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            put(vault, 1, 2)

    found = continuity.check(
        vault, FOLDER, segment_name(1, 1, SIZE), SIZE, lambda _: "", sleep=sleep
    )
    assert not found.missing
    assert len(looks) == 2


def test_replay_goes_over_to_the_next_timeline_where_the_last_was_left(vault: Any) -> None:
    put(vault, 1, 2, 3, 4, 5)
    put(vault, 2, 4, 6)
    vault.put(f"{FOLDER}00000002.history", b"x")
    found = check(vault, segment_name(1, 2, SIZE), "1\t0/4000098\tx\n")
    # 5 of timeline 1 was written by one that was no longer primary: nobody misses it.
    assert found.missing == (segment_name(2, 5, SIZE),)
    assert found.count == 5


def test_a_timeline_that_has_just_begun_is_not_missing(vault: Any) -> None:
    put(vault, 1, 2, 3)
    vault.put(f"{FOLDER}00000002.history", b"x")
    assert not check(vault, segment_name(1, 2, SIZE), "1\t0/4000098\tx\n").missing


def test_a_backup_of_another_branch_is_told(vault: Any) -> None:
    put(vault, 1, 9)
    put(vault, 2, 4)
    with pytest.raises(RecoverFailed, match="not on the way to timeline 2"):
        check(vault, segment_name(1, 9, SIZE), "1\t0/4000098\tx\n")


def test_many_missing_are_counted(vault: Any) -> None:
    put(vault, 1, 1, 20)
    assert str(check(vault, segment_name(1, 1, SIZE))).endswith(
        "and 13 more are missing in the vault"
    )
