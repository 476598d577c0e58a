"""replicate: the copy holds what the vault holds, can be restored from at any moment, and says how
far behind it is.
"""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_service import replicate, times
from backup_service.replicate import Deletions, Replication, State, Stopped
from backup_service.s3 import Object, Vault, VaultError
from backup_service.settings import Postgres, Redis, Settings, VaultAddress
from backup_service.transfer import Transfer, pairs, rank

ADDRESS = VaultAddress("https://vault-1:7070", "local", "bucket", None)
SETTINGS = Settings(
    stack="local",
    stanza="main",
    vault=ADDRESS,
    copy=ADDRESS,
    postgres=Postgres((), 5432, ()),
    redis=Redis({}, 6379),
    schedules={},
    retention_days=30,
    canary_seconds=5,
    journal_seconds=30,
    invariants=(),
    side=None,
)
INFO = "pgbackrest/backup/main/backup.info"
NEW = "pgbackrest/backup/main/20261123-010000F/"
Contents = Callable[[Vault], dict[str, bytes]]
Fill = Callable[[Vault], dict[str, bytes]]


@pytest.fixture
def replication(vault: Vault, copy: Vault, tmp_path: Path) -> Replication:
    return Replication(SETTINGS, vault, copy, tmp_path)


@pytest.fixture
def said(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: dict(json.loads((tmp_path / "copy.json").read_text()))


def again(replication: Replication) -> None:
    """As if all was due."""
    replication._due = dict.fromkeys(replication._due, float("-inf"))
    assert replication.look()


def stored(copy: Vault, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are stored in it from now on."""
    keys: list[str] = []
    upload = copy.upload
    monkeypatch.setattr(copy, "upload", lambda key, *more: (keys.append(key), upload(key, *more)))
    return keys


def test_everything_is_copied_once(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    contents: Contents,
    said: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = fill(vault)
    assert replication.look()
    assert contents(copy) == everything
    found = said()
    assert (found["state"], found["lag_seconds"], found["objects_behind"]) == ("ok", 0.0, 0)
    assert found["last_copied_at"]
    keys = stored(copy, monkeypatch)
    again(replication)
    assert keys == []


def test_what_refers_to_data_comes_after_it(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(vault)
    keys = stored(copy, monkeypatch)
    assert replication.look()
    ranks = [rank(key) for key in keys if not key.endswith("archive.info")]
    assert ranks == sorted(ranks)
    assert rank(keys[-1]) == 2


def test_a_backup_that_ends_during_a_look_is_not_announced_before_it_is_there(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(vault)
    assert replication.look()
    listed, ended = vault.list, []

    def list_late(prefix: str, after: str | None = None) -> Iterator[Object]:
        """The new backup's data is written just after their place in the list."""
        for each in listed(prefix, after):
            if each.key == INFO and not ended:
                ended.append(True)
                vault.put(NEW + "bundle/1", b"new data")
                vault.put(INFO, b"old and new")
                each = next(found for found in listed(INFO) if found.key == INFO)
            yield each

    monkeypatch.setattr(vault, "list", list_late)
    keys = stored(copy, monkeypatch)
    again(replication)
    assert ended
    assert keys == [NEW + "bundle/1", INFO]


def test_a_list_of_backups_that_changes_meanwhile_waits(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    said: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(vault)
    assert replication.look()
    vault.put(INFO, b"second")
    copied = replication._transfer.copy

    def meanwhile(found: Object, on_bytes: Any) -> None:
        if found.key == INFO:
            vault.put(INFO, b"third")
        copied(found, on_bytes)

    monkeypatch.setattr(replication._transfer, "copy", meanwhile)
    again(replication)
    assert copy.get(INFO) == b"backups"
    assert said()["objects_behind"] == 1
    monkeypatch.undo()
    again(replication)
    assert copy.get(INFO) == b"third"
    assert said()["objects_behind"] == 0


def test_a_hot_look_begins_shortly_before_what_is_new(
    replication: Replication, vault: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100, 130):
        vault.put(f"canary/{number}", b"")
    assert replication.look()
    assert replication.look()
    asked: list[tuple[str, str | None]] = []
    listed = vault.list
    monkeypatch.setattr(vault, "list", lambda *which: (asked.append(which), listed(*which))[1])
    # Between two that are there: several archive at once.
    vault.put("canary/125b", b"late")
    assert replication.look()
    assert ("canary/", "canary/113") in asked
    assert copy.exists("canary/125b")


def test_one_that_is_lower_than_a_hot_look_goes_is_found_by_the_full_one(
    replication: Replication, vault: Vault, copy: Vault
) -> None:
    for number in range(100, 130):
        vault.put(f"canary/{number}", b"")
    assert replication.look()
    assert replication.look()
    vault.put("canary/100b", b"much too late")
    assert replication.look()
    assert not copy.exists("canary/100b")
    again(replication)
    assert copy.exists("canary/100b")


def test_what_is_overwritten_is_copied_and_what_it_was_stays_a_version(
    replication: Replication, vault: Vault, copy: Vault, fill: Fill
) -> None:
    fill(vault)
    assert replication.look()
    vault.put("logical/20261122T020000Z/app.dump.gpg", b"noise")
    again(replication)
    sizes = [each.size for each in copy.versions("logical/20261122T020000Z/app")]
    assert sizes == [5, 400]


def test_what_was_stored_in_parts_of_other_sizes_is_not_copied_again(
    vault: Vault, copy: Vault
) -> None:
    vault.put("a", b"content")
    transfer = Transfer(vault, copy)
    (found,) = transfer.missing("")
    transfer.copy(found)
    in_parts = Object("a", 7, "0" * 32 + "-2", found.modified)
    (there,) = copy.list("")
    assert not transfer._is_same(in_parts, there), "copied from something else"
    with vault.open("a") as stream:
        copy.upload("a", stream, None, {"source-etag": in_parts.etag})
    (there,) = copy.list("")
    assert transfer._is_same(in_parts, there)
    assert not transfer._is_same(Object("a", 8, in_parts.etag, found.modified), there)


# Deletions.


def test_a_deletion_is_followed_only_after_the_retention_time(
    replication: Replication, vault: Vault, copy: Vault, fill: Fill, contents: Contents
) -> None:
    everything = fill(vault)
    assert replication.look()
    for each in list(vault.list("")):
        vault.delete(each.key)
    again(replication)
    assert contents(copy) == everything
    replication._retention = timedelta(days=-1)
    again(replication)
    assert contents(copy) == {}
    assert [each.marker for each in copy.versions(INFO)][:1] == [True]


def test_a_vault_that_is_empty_deletes_nothing(
    replication: Replication,
    make: Callable[[str], Vault],
    vault: Vault,
    copy: Vault,
    fill: Fill,
    contents: Contents,
    tmp_path: Path,
) -> None:
    everything = fill(vault)
    replication._retention = timedelta(days=-1)
    assert replication.look()
    other = Replication(SETTINGS, make("vault-2"), copy, tmp_path)
    other._retention = timedelta(days=-1)
    again(other)
    assert contents(copy) == everything


def test_a_deletion_is_remembered_when_its_marker_is_gone(
    vault: Vault, copy: Vault, tmp_path: Path
) -> None:
    for each in (vault, copy):
        each.put("old", b"")
        each.put("back", b"")
    vault.delete("old")
    vault.delete("back")
    deletions = Deletions(tmp_path / "copy.sqlite")
    deletions.note(vault.versions(""))
    vault.put("back", b"")
    # The vault's keeper has removed all of "old".
    left = [each for each in vault.versions("") if each.key != "old"]
    again_opened = Deletions(tmp_path / "copy.sqlite")
    again_opened.note(left)
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert again_opened.follow(copy, soon - timedelta(days=1)) == 0
    assert again_opened.follow(copy, soon) == 1
    assert [each.key for each in copy.list("")] == ["back"]
    assert again_opened.follow(copy, soon) == 0


def test_a_look_for_deletions_that_is_cut_off_has_seen_nothing(
    vault: Vault, copy: Vault, tmp_path: Path
) -> None:
    copy.put("a", b"")
    vault.put("a", b"")
    vault.delete("a")

    def cut_off() -> Iterator[Any]:
        yield from vault.versions("")
        raise VaultError("vault-1", "does not answer")

    deletions = Deletions(tmp_path / "copy.sqlite")
    with pytest.raises(VaultError):
        deletions.note(cut_off())
    assert deletions.follow(copy, datetime.now(UTC) + timedelta(days=1)) == 0


def test_a_broken_memory_of_deletions_stops_nothing(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "copy.sqlite").write_bytes(b"not a database" * 100)
    fill(vault)
    assert replication.look()
    assert copy.exists(INFO)
    assert "copy.sqlite" in capsys.readouterr().err


# Who is away, and how far behind.


@pytest.mark.parametrize(("away", "state"), [("vault", "source-away"), ("copy", "copy-away")])
def test_who_does_not_answer_is_named_and_it_goes_on(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    said: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    away: str,
    state: str,
) -> None:
    vault.put("canary/1", b"")
    silent = {"vault": vault, "copy": copy}[away]

    def nothing(*_: Any) -> Any:
        raise VaultError(silent.host, "cannot list: it does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(silent, "list", nothing)
        assert not replication.look()
        assert (said()["state"], said()["lag_seconds"]) == (state, None)
        assert silent.host in said()["message"]
    assert replication.look()
    assert (said()["state"], said()["message"]) == ("ok", "")
    assert copy.exists("canary/1")


def test_the_lag_is_the_age_of_the_oldest_that_is_missing(tmp_path: Path) -> None:
    now = times.now()
    state = State(tmp_path / "copy.json")
    assert state.document(now)["lag_seconds"] is None
    state.looked(now)
    assert state.document(now)["lag_seconds"] == 0
    state.behind(
        "hot",
        [
            Object("a", 5, "", now - timedelta(seconds=7)),
            Object("b", 6, "", now - timedelta(seconds=3)),
        ],
    )
    found = state.document(now)
    assert (found["lag_seconds"], found["objects_behind"], found["bytes_behind"]) == (7, 2, 11)
    assert found["state"] == "copying"
    state.copied("hot", 5)
    assert state.document(now)["bytes_behind"] == 6
    state.behind("hot", [])
    assert state.document(now)["lag_seconds"] == 0


def test_while_nothing_can_be_seen_the_lag_grows(tmp_path: Path) -> None:
    now = times.now()
    state = State(tmp_path / "copy.json")
    state.looked(now)
    state.away("source-away", "vault-1: does not answer")
    assert state.document(now + timedelta(seconds=10))["lag_seconds"] == 0
    assert state.document(now + timedelta(seconds=100))["lag_seconds"] == 100


def test_who_cannot_be_asked_from_the_beginning_is_behind_since_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = times.now()
    monkeypatch.setattr(times, "now", lambda: now)
    state = State(tmp_path / "copy.json")
    state.away("copy-away", "vault-copy-1: does not answer")
    assert state.document(now + timedelta(seconds=10))["lag_seconds"] is None
    assert state.document(now + timedelta(seconds=100))["lag_seconds"] == 100


def test_a_full_disk_does_not_end_the_copying(
    replication: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    fill(vault)
    monkeypatch.setattr(replicate.state, "write", full)
    assert replication.look()
    assert copy.exists(INFO)


def test_what_is_hot_does_not_wait_for_something_long(
    replication: Replication, vault: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        vault.put(f"{NEW}bundle/{number}", b"x")
    monkeypatch.setattr(replicate, "HOT_SECONDS", 0.0)
    keys = stored(copy, monkeypatch)
    copied = replication._transfer.copy

    def meanwhile(found: Object, on_bytes: Any) -> None:
        if found.key.endswith("bundle/1"):
            vault.put("canary/1", b"")
        copied(found, on_bytes)

    monkeypatch.setattr(replication._transfer, "copy", meanwhile)
    assert replication.look()
    assert keys.index("canary/1") < keys.index(NEW + "bundle/2")


def test_it_stops_in_the_middle_and_another_goes_on(
    vault: Vault, copy: Vault, fill: Fill, contents: Contents, tmp_path: Path
) -> None:
    everything = fill(vault)
    stopping = threading.Event()
    first = Replication(SETTINGS, vault, copy, tmp_path, stopping)
    copied = first._transfer.copy

    def stop_soon(found: Object, on_bytes: Any) -> None:
        copied(found, on_bytes)
        if found.key == NEW + "bundle/1" or len(contents(copy)) == 5:
            stopping.set()

    first._transfer.copy = stop_soon  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        first.look()
    assert 0 < len(contents(copy)) < len(everything)
    first.run()
    assert Replication(SETTINGS, vault, copy, tmp_path).look()
    assert contents(copy) == everything


def test_joined_lists_leave_nothing_out() -> None:
    def listed(keys: str) -> Iterator[Object]:
        return iter([Object(key, 0, "", datetime.now(UTC)) for key in keys])

    found = [
        (one.key if one else None, other.key if other else None)
        for one, other in pairs(listed("abdf"), listed("bceg"))
    ]
    assert found == [
        *(("a", None), ("b", "b"), (None, "c"), ("d", None)),
        *((None, "e"), ("f", None), (None, "g")),
    ]
