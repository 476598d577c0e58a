"""From when to when one can restore, and what there is to restore from."""

import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backup_service import overview, times, window
from backup_service.pgbackrest import PgBackRestError
from backup_service.records import FAILED, OK, Record, Records
from backup_service.settings import Settings
from backup_service.window import NoWindow, Window, find, is_archived

# When the backups below were complete.
STOP = 1795309260
NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
Backup = Callable[..., dict[str, Any]]


def at(seconds: float) -> datetime.datetime:
    return times.from_seconds(STOP + seconds)


@dataclass(frozen=True)
class Entry:
    time: datetime.datetime
    segment: str


class Journal:
    """What the canary wrote; spans: what was asked for."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.spans: list[tuple[datetime.datetime, datetime.datetime]] = []

    def wrote(self, seconds: float, segment: str) -> None:
        self.entries.append(Entry(at(seconds), segment))

    def read(self, vault: Any, begin: datetime.datetime, end: datetime.datetime) -> list[Entry]:
        self.spans.append((begin, end))
        return [each for each in self.entries if begin <= each.time <= end]


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    found = Journal()
    canary = ModuleType("backup_service.canary")
    canary.journal = found.read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "backup_service.canary", canary)
    monkeypatch.setattr(window.times, "now", lambda: NOW)
    return found


def archived(segment: str | None, database: int = 1) -> dict[str, Any]:
    return {"database": {"id": database}, "id": f"17-{database}", "min": segment, "max": segment}


def test_it_begins_with_the_oldest_backup_and_ends_with_what_is_archived(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any, journal: Journal
) -> None:
    fake_pgbackrest.has(
        some_backup("new", stop=STOP + 86400, kind="diff"),
        some_backup("old", stop=STOP),
        archive=[archived("000000010000000000000009")],
    )
    journal.wrote(86500, "000000010000000000000008")
    journal.wrote(86505, "000000010000000000000009")
    journal.wrote(86510, "00000001000000000000000A")
    found = find(settings, vault)
    assert found == Window(at(0), at(86505), "new", at(86400), "000000010000000000000009")
    assert found.holds(at(0))
    assert found.holds(at(86505))
    assert not found.holds(at(86506))
    assert found.document()["end"] == times.iso(at(86505))


def test_the_journal_is_read_from_its_end(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any, journal: Journal
) -> None:
    fake_pgbackrest.has(some_backup(stop=STOP), archive=[archived("000000010000000000000009")])
    journal.wrote(100, "000000010000000000000009")
    assert find(settings, vault).end == at(100)
    assert journal.spans[0] == (NOW - datetime.timedelta(hours=1), NOW)
    assert journal.spans[-1][0] == at(0)
    assert all(
        one[0] == other[1] for one, other in zip(journal.spans, journal.spans[1:], strict=False)
    )


def test_without_a_journal_it_ends_with_the_newest_backup(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any, journal: Journal
) -> None:
    fake_pgbackrest.has(some_backup(stop=STOP), archive=[archived(None)])
    journal.wrote(-5, "000000010000000000000001")
    found = find(settings, vault)
    assert (found.begin, found.end) == (at(0), at(0))
    assert found.archive_max == "000000010000000000000005"


def test_a_database_made_anew_has_a_window_of_its_own(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any, journal: Journal
) -> None:
    fake_pgbackrest.has(
        some_backup("old", stop=STOP, database=1),
        some_backup("new", stop=STOP + 500, database=2),
        archive=[archived("0000000300000000000000FF", 1), archived("000000010000000000000007", 2)],
    )
    found = find(settings, vault)
    assert (found.begin, found.archive_max) == (at(500), "000000010000000000000007")


def test_until_the_new_database_has_a_backup_the_old_one_can_be_restored(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any, journal: Journal
) -> None:
    fake_pgbackrest.has(
        some_backup("old", stop=STOP, database=1),
        archive=[archived("0000000300000000000000FF", 1), archived("000000010000000000000007", 2)],
    )
    assert find(settings, vault).archive_max == "0000000300000000000000FF"


def test_without_a_backup_there_is_none(
    fake_pgbackrest: Any, settings: Settings, vault: Any
) -> None:
    fake_pgbackrest.has(code=2, message="no valid backups")
    with pytest.raises(NoWindow, match="backup now --kind full"):
        find(settings, vault)


def test_a_repository_that_cannot_be_read_is_not_an_empty_one(
    fake_pgbackrest: Any, settings: Settings, vault: Any
) -> None:
    fake_pgbackrest.has(code=99, message="[HostConnectError] timeout connecting to 'vault-1:7070'")
    with pytest.raises(PgBackRestError, match="HostConnectError"):
        find(settings, vault)


@pytest.mark.parametrize(
    ("segment", "newest", "there"),
    [
        ("000000010000000000000005", "000000010000000000000005", True),
        ("000000010000000000000006", "000000010000000000000005", False),
        # Before and behind the point where the newer timeline began.
        ("000000010000000000000005", "000000020000000000000006", True),
        ("000000010000000000000007", "000000020000000000000006", False),
        # The archive does not know of the newer timeline yet.
        ("000000020000000000000005", "000000010000000000000006", False),
        ("0000000100000001000000FF", "000000010000000200000000", True),
        ("", "000000010000000000000005", False),
    ],
)
def test_what_is_in_the_archive(segment: str, newest: str, there: bool) -> None:
    assert is_archived(segment, newest) is there


# What is shown of it.


def test_every_backup_is_listed_newest_first(
    fake_pgbackrest: Any, some_backup: Backup, settings: Settings, vault: Any
) -> None:
    fake_pgbackrest.has(some_backup("sound"), some_backup("damaged", stop=STOP + 60, error=True))
    vault.put("logical/20261122T020000Z/app.dump.gpg", b"1234")
    vault.put("logical/20261122T020000Z/manifest.json", b"{}")
    vault.put("redis/20261123T023000Z/snapshot.rdb.gpg", b"12")
    vault.put("redis/other/x", b"12")
    found = overview.listed(settings, vault)
    assert [(each["kind"], each["label"], each["result"], each["bytes"]) for each in found] == [
        ("redis", "20261123T023000Z", "interrupted", 2),
        ("logical", "20261122T020000Z", "ok", 6),
        ("full", "damaged", "failed", 4000),
        ("full", "sound", "ok", 4000),
    ]
    assert found[0]["ended"] is None
    assert found[3]["repo_bytes"] == 100


def a_test(vault: Any, started: datetime.datetime, result: str, **details: Any) -> None:
    record = Record("i" + times.stamp(started), "restore-test", started, started, result)
    record = Record(
        **{**vars(record), "details": details, "error": None if result == OK else "bad"}
    )
    vault.put(record.key, json.dumps(record.document()).encode())


def test_info_says_from_when_to_when_and_how_far_that_is_proven(
    fake_pgbackrest: Any,
    some_backup: Backup,
    settings: Settings,
    vault: Any,
    journal: Journal,
    tmp_path: Path,
) -> None:
    fake_pgbackrest.has(some_backup(stop=STOP))
    hour = datetime.timedelta(hours=1)
    # By another container: what is known of it is in the vault.
    a_test(vault, NOW - 30 * hour, OK, point="2026-11-22T03:00:00.000Z")
    a_test(vault, NOW - 6 * hour, FAILED)
    (tmp_path / "archiver.json").write_text('{"state": "ok"}')
    found = overview.info(settings, vault, tmp_path)
    assert found["window"]["begin"] == times.iso(at(0))
    assert found["newest_verified"] == {
        "time": times.iso(NOW - 30 * hour),
        "age_seconds": 30 * 3600,
        "point": "2026-11-22T03:00:00.000Z",
    }
    assert found["last_verification"]["result"] == FAILED
    assert (found["archiver"], found["copy"]) == ({"state": "ok"}, None)
    assert (found["message"], found["errors"]) == (None, [])


def test_info_tells_what_it_can_when_the_vault_is_away(
    fake_pgbackrest: Any, settings: Settings, vault: Any, tmp_path: Path
) -> None:
    fake_pgbackrest.has(code=99, message="[HostConnectError] timeout")
    vault.away = True
    Records(tmp_path).begin("restore-test").finish(OK, details={"point": "p"})
    found = overview.info(settings, vault, tmp_path)
    assert found["window"] is None
    assert "HostConnectError" in found["message"]
    assert found["newest_verified"]["point"] == "p"
    assert any("vault-1 does not answer" in each for each in found["errors"])


def test_records_are_those_of_every_container(vault: Any, tmp_path: Path) -> None:
    a_test(vault, NOW, OK)
    Records(tmp_path, vault).begin("full").finish(OK)
    Records(tmp_path).begin("redis")
    found, errors = overview.records(vault, tmp_path, None)
    assert sorted(each.kind for each in found) == ["full", "redis", "restore-test"]
    assert errors == []
    found, errors = overview.records(vault, tmp_path, "full")
    assert [each.kind for each in found] == ["full"]
    vault.away = True
    found, errors = overview.records(vault, tmp_path, None)
    assert [each.kind for each in found] == ["full", "redis"]
    assert len(errors) == 1
