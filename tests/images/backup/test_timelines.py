"""Which backups lead to which timeline."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_service import pgbackrest, timelines
from backup_service.pgbackrest import PgBackRestError
from backup_service.recover import RecoverFailed

Backup = Callable[..., dict[str, Any]]


def test_a_history_is_read() -> None:
    text = "1\t0/5000098\tno recovery target specified\n\n2\t1/A0000\tbefore 2026-11-23\n"
    assert timelines.switches(text) == [(1, 0x5000098), (2, 0x1_000A_0000)]


def test_a_restore_that_ended_before_the_timeline_it_followed_began() -> None:
    """Written by PostgreSQL 15: timeline 1 was left where the recovery ended, not where 2 began."""
    text = "1\t0/17000000\tno recovery target specified\n2\t0/9000110\tbefore 2026-11-23\n"
    assert timelines.switches(text) == [(1, 0x9000110), (2, 0x9000110)]


@pytest.fixture
def backups(some_backup: Backup) -> list[dict[str, Any]]:
    return [
        {
            **some_backup(label, stop=stop, wal_stop=f"{timeline:08X}00000000{segment:08X}"),
            "lsn": {"stop": f"0/{segment:X}000050"},
        }
        for label, stop, timeline, segment in [
            ("second", 200, 1, 0x0B),
            ("first", 100, 1, 0x02),
            ("other", 300, 2, 0x18),
        ]
    ]


def labels(found: list[Any]) -> list[str]:
    return [each["label"] for each in found]


def test_a_backup_of_a_branch_that_was_given_up_leads_nowhere_else(
    backups: list[dict[str, Any]],
) -> None:
    left = [(1, 0x9000110), (2, 0x9000110)]
    assert labels(timelines.on_the_way(backups, 3, left)) == ["first"]
    assert labels(timelines.on_the_way(backups, 2, [(1, 0x17000000)])) == [
        "second",
        "first",
        "other",
    ]


def test_usable_backups_come_oldest_first_and_of_the_newest_database(
    backups: list[dict[str, Any]], some_backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def history(*named: Any) -> str:
        asked.append(named)
        return "1\t0/17000000\tx\n"

    monkeypatch.setattr(timelines, "history", history)
    archive = [{"database": {"id": each}, "id": f"17-{each}"} for each in (0, 1)]
    old = {**some_backup("ancient", database=0), "lsn": {"stop": "0/1"}}
    repository = {"backup": [old, *backups], "archive": archive}
    found = timelines.usable(repository, "main", "000000020000000000000019")
    assert labels(found) == ["first", "second", "other"]
    assert asked == [("main", "17-1", 2)]


def test_without_a_backup_no_history_is_asked_for() -> None:
    assert timelines.usable({"backup": [], "archive": []}, "main", "0" * 7 + "2" + "0" * 16) == []


def test_a_history_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: str, **named: Any) -> str:
        missing = "/pgbackrest/archive/main/17-1/00000002.history"
        raise PgBackRestError(f"pgbackrest repo-get: unable to open missing file '{missing}'")

    monkeypatch.setattr(pgbackrest, "run", run)
    with pytest.raises(RecoverFailed, match=r"archive/main/17-1/00000002.history is missing"):
        timelines.history("main", "17-1", 2)


def test_pgbackrest_takes_the_first_bare_word_for_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pgbackrest"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "words = [each for each in sys.argv[1:] if not each.startswith('--')]\n"
        "print(' '.join(words))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    said = timelines.history("main", "17-1", 2)
    assert said.split() == ["repo-get", "archive/main/17-1/00000002.history"]
