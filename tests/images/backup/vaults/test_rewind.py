"""rewind: what was overwritten or deleted since a moment is back, and what is new stays."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup_service.rewind import Damage, judge, rewind
from backup_service.s3 import Vault, Version

NOON = datetime(2020, 1, 2, 12, tzinfo=UTC)
Contents = Callable[[Vault], dict[str, bytes]]


def version(minutes: int, content: str = "", marker: bool = False) -> Version:
    """content: its etag; the version's id is its time."""
    moment = NOON + timedelta(minutes=minutes)
    return Version("a", str(minutes), len(content), content, moment, False, marker)


DELETED = {"marker": True}


@pytest.mark.parametrize(
    ("history", "then"),
    [
        # Untouched since.
        ([version(-5, "good")], -5),
        ([version(0, "good"), version(-5, "older")], 0),
        # Overwritten, deleted, both, and that several times.
        ([version(1, "noise"), version(-5, "good")], -5),
        ([version(1, **DELETED), version(-5, "good")], -5),
        ([version(3, **DELETED), version(2, "noise"), version(-1, "good"), version(-9, "x")], -1),
        # The same again: nothing to put back.
        ([version(2, "good"), version(1, "noise"), version(-5, "good")], 2),
        # Deleted then and now.
        ([version(-5, **DELETED)], -5),
        ([version(2, **DELETED), version(-5, **DELETED)], 2),
        # Written since, and then overwritten, deleted or both.
        ([version(2, "noise"), version(1, "since")], 1),
        ([version(2, **DELETED), version(1, "since")], 1),
        ([version(3, **DELETED), version(2, "noise"), version(1, "since")], 1),
        ([version(2, "noise"), version(1, "since"), version(-5, **DELETED)], 1),
    ],
)
def test_what_was_current_then_is_what_is_wanted(history: list[Version], then: int) -> None:
    found = judge(history, NOON)
    assert found == Damage(
        next(each for each in history if each.version_id == str(then)), found.now
    )
    assert found.now is history[0]


@pytest.mark.parametrize(
    "history",
    [
        [version(1, "wal archived since")],
        [version(1, **DELETED)],
        [version(1, "since"), version(-5, **DELETED), version(-9, "old")],
    ],
)
def test_what_was_not_there_then_is_left_alone(history: list[Version]) -> None:
    assert judge(history, NOON) is None


def test_a_list_that_was_not_there_then_is_left_alone() -> None:
    """Which of its versions is the good one cannot be known."""
    history = [version(2, "noise"), version(1, "since")]
    assert judge([replace(each, key="a/backup.info") for each in history], NOON) is None


@pytest.fixture
def attacked(vault: Vault, at: Callable[..., None]) -> dict[str, bytes]:
    """A vault after an attack at noon; what it held before."""
    good = {
        "logical/1/app.dump.gpg": b"dump",
        "pgbackrest/backup/main/backup.info": b"backups",
        "pgbackrest/backup/main/20261122-010000F/bundle/1": b"bundle",
        "untouched": b"as ever",
    }
    before, since = NOON - timedelta(hours=1), NOON + timedelta(seconds=1)
    for key, data in good.items():
        vault.put(key, data)
    vault.put("logical/1/app.dump.gpg", b"noise")
    vault.delete("pgbackrest/backup/main/20261122-010000F/bundle/1")
    vault.put("pgbackrest/backup/main/backup.info", b"noise")
    vault.delete("pgbackrest/backup/main/backup.info")
    vault.put("canary/since", b"new")
    vault.put("pgbackrest/archive/main/written-during-the-attack", b"WAL")
    vault.put("pgbackrest/archive/main/written-during-the-attack", b"noise")
    at(vault, "logical/1/app.dump.gpg", before, since)
    at(vault, "pgbackrest/backup/main/20261122-010000F/bundle/1", before, since)
    at(vault, "pgbackrest/backup/main/backup.info", before, since, since + timedelta(seconds=1))
    at(vault, "untouched", before)
    at(vault, "canary/since", since)
    at(
        vault,
        "pgbackrest/archive/main/written-during-the-attack",
        since,
        since + timedelta(seconds=1),
    )
    good["pgbackrest/archive/main/written-during-the-attack"] = b"WAL"
    return good


def test_all_is_back_and_what_is_new_stays(
    vault: Vault, attacked: dict[str, bytes], contents: Contents, progress: Any
) -> None:
    assert rewind(vault, NOON, progress) == {"restored": 4, "left": 1, "bytes": 20}
    assert contents(vault) == {**attacked, "canary/since": b"new"}
    assert progress.reports[-1] == ("rewind", 20, 20)
    newest = next(vault.versions("pgbackrest/backup/main/backup.info"))
    assert newest.modified > NOON, "a version of its own, not the old one's time"


def test_it_may_be_repeated(
    vault: Vault, attacked: dict[str, bytes], contents: Contents, progress: Any
) -> None:
    rewind(vault, NOON, progress)
    versions = len(list(vault.versions("")))
    assert rewind(vault, NOON, progress)["restored"] == 0
    assert len(list(vault.versions(""))) == versions


def test_killed_half_way_the_next_goes_on(
    vault: Vault,
    attacked: dict[str, bytes],
    contents: Contents,
    progress: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload, stored = vault.upload, []

    def dies(key: str, *more: Any) -> int:
        if stored:
            raise KeyboardInterrupt
        stored.append(key)
        return upload(key, *more)

    with monkeypatch.context() as patched:
        patched.setattr(vault, "upload", dies)
        with pytest.raises(KeyboardInterrupt):
            rewind(vault, NOON, progress)
    assert not vault.exists("pgbackrest/backup/main/backup.info"), "it comes after the backups"
    assert rewind(vault, NOON, progress)["restored"] == 3
    assert contents(vault) == {**attacked, "canary/since": b"new"}


def test_what_was_put_back_in_parts_of_other_sizes_is_known_again(
    vault: Vault, attacked: dict[str, bytes], progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewind(vault, NOON, progress)
    found = list(vault.versions(""))
    # As the vault would say of an upload in parts.
    parts = [
        Version(**{**vars_of(each), "etag": f"{each.etag}-{number}"})
        for number, each in enumerate(found)
    ]
    monkeypatch.setattr(vault, "versions", lambda prefix: iter(parts))
    assert rewind(vault, NOON, progress)["restored"] == 0


def vars_of(each: Version) -> dict[str, Any]:
    return {name: getattr(each, name) for name in Version.__dataclass_fields__}
