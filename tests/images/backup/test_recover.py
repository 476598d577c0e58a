"""Points in time as people write them, and what restoring files says when it cannot."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_service import pgbackrest, recover
from backup_service.damage import explain
from backup_service.pgbackrest import PgBackRestError
from backup_service.progress import Progress
from backup_service.recover import BadTarget, RecoverFailed, Target, parse

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_what_names_no_point_in_time_is_the_askers_mistake() -> None:
    with pytest.raises(BadTarget) as caught:
        parse("10 minuts ago", NOW)
    assert caught.value.exit_status == 2


def backup(label: str, stop: datetime, lsn: str, error: bool = False) -> dict[str, Any]:
    return {
        "label": label,
        "timestamp": {"stop": int(stop.timestamp())},
        "lsn": {"stop": lsn},
        "error": error,
    }


BACKUPS = [
    backup("old", NOW - timedelta(days=1), "0/3000000"),
    backup("new", NOW - timedelta(hours=1), "0/5000000"),
    backup("broken", NOW - timedelta(minutes=30), "0/6000000", error=True),
]


def test_a_backup_that_ended_in_the_targets_own_second_is_not_taken() -> None:
    at = NOW - timedelta(hours=1)
    assert recover.backups_for(Target.at(at), BACKUPS) == ["old"]
    assert recover.backups_for(Target.at(at + timedelta(microseconds=999999)), BACKUPS) == ["old"]
    assert recover.backups_for(Target.at(at + timedelta(seconds=1)), BACKUPS) == ["new", "old"]


def test_backups_are_chosen_by_what_the_target_is() -> None:
    assert recover.backups_for(Target("lsn", "0/4FFFFFF"), BACKUPS) == ["old"]
    assert recover.backups_for(Target("lsn", "0/2000000"), BACKUPS) == []
    assert recover.backups_for(Target("name", "x"), BACKUPS) == ["new", "old"]
    assert recover.backups_for(Target("latest"), BACKUPS) == ["new", "old"]


class Restore:
    """Instead of pgBackRest."""

    def __init__(self, error: str | None = None) -> None:
        self.error = error
        self.options: tuple[str, ...] = ()
        self.named: dict[str, Any] = {}

    def __call__(self, command: str, *options: str, **named: Any) -> str:
        assert command == "restore"
        self.options, self.named = options, named
        if self.error:
            raise PgBackRestError(self.error)
        return "P00   INFO: repo1: restore backup set 20261122-010000F, recovery will start at x\n"


def test_files_are_restored_to_a_microsecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Restore()
    monkeypatch.setattr(pgbackrest, "run", restore)
    data = tmp_path / "a" / "data"
    target = Target.at(datetime(2026, 11, 23, 1, 2, 3, 45, tzinfo=UTC))
    restored = recover.restore_files(
        target, data, Progress(), action="pause", environment={"A": "b"}
    )
    assert restored.label == "20261122-010000F"
    assert "--target=2026-11-23 01:02:03.000045+00" in restore.options
    assert {"--type=time", "--target-action=pause", "--target-timeline=latest"} < {*restore.options}
    assert data.stat().st_mode & 0o777 == 0o700
    assert restore.named["environment"] == {"A": "b"}


def test_a_segment_that_could_not_be_fetched_is_not_the_end_of_the_wal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Restore()
    monkeypatch.setattr(pgbackrest, "run", restore)
    recover.restore_files(Target("latest"), tmp_path / "data", Progress(), timeline=3)
    (command,) = (each for each in restore.options if "restore_command" in each)
    assert "test $code -le 1 || code=126" in command
    assert {"--type=default", "--target-timeline=3"} < {*restore.options}
    assert not any(each.startswith("--target=") for each in restore.options)


def test_nothing_is_restored_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(RecoverFailed, match="not empty"):
        recover.restore_files(Target("latest"), tmp_path, Progress())


def test_what_pgbackrest_says_becomes_the_name_of_what_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = (
        f"pgbackrest restore: raised from local-2 protocol: error restoring '{tmp_path}/d/base/4/2'"
        ": actual checksum 'de' does not match expected checksum '13' [026]"
    )
    monkeypatch.setattr(pgbackrest, "run", Restore(error))
    with pytest.raises(RecoverFailed, match=r"^base/4/2 is damaged in the backup"):
        recover.restore_files(Target("latest"), tmp_path / "d", Progress())


# As pgBackRest 2.45 says it, and pgbackrest.run makes one line of it.
REPO = "/pgbackrest"
SAID = [
    (
        "no backup set found to restore [075]; because: repo1: [FormatError] unable to load info "
        f"file '{REPO}/backup/main/backup.info' or '{REPO}/backup/main/backup.info.copy': "
        "FormatError: key/value found outside of section at line 1: c",
        "wrong key or damaged: backup.info cannot be read",
    ),
    (
        f"unable to load info file '{REPO}/backup/main/backup.info' or 'x': FileMissingError: "
        "unable to open missing file 'x' for read FileMissingError: y",
        "backup.info is missing in the vault: no backup was ever made there",
    ),
    (
        f"unable to load backup manifest file '{REPO}/backup/main/20261123-014037F/backup.manifest'"
        " or 'x': FileMissingError: unable to open missing file 'x' for read",
        "backup 20261123-014037F is missing in the vault: it has no backup.manifest",
    ),
    (
        f"unable to load backup manifest file '{REPO}/backup/main/20261123-014037F/backup.manifest'"
        " or 'x': FormatError: hex invalid character found at position 5",
        "wrong key or damaged: backup.manifest of 20261123-014037F cannot be read",
    ),
    (
        f"raised from local-2 protocol: unable to open missing file '{REPO}/backup/main/2F/bundle/1"
        "' for read [FileMissingError] on retry after 0ms",
        "backup/main/2F/bundle/1 is missing in the vault",
    ),
    ("backup set 20200101-000000F is not valid", "backup 20200101-000000F is missing in the vault"),
    (
        "unable to find backup set with stop time less than '2020-01-01 00:00:00.123456+00'",
        "no backup was finished before that point",
    ),
    (
        "unable to get 00000001000000000000000C: repo1: 17-1/x.zst [FormatError] zst error: [-20] "
        "Data corruption detected",
        "WAL segment 00000001000000000000000C is damaged: repo1: 17-1/x.zst [FormatError] "
        "zst error: [-20] Data corruption detected",
    ),
]


@pytest.mark.parametrize(("said", "line"), SAID)
def test_damage_is_named(said: str, line: str) -> None:
    assert explain(said) == line


def test_a_vault_that_is_away_is_not_called_damaged() -> None:
    said = "unable to get 00000001000000000000000C: [HostConnectError] timeout connecting to 'v'"
    assert "did not give WAL 00000001000000000000000C" in explain(said)
    assert "does not answer" in explain("unable to load info file 'x': HostConnectError: timeout")
