"""replicate, where the vault makes the copy itself: it watches, and follows deletions."""

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_service import times
from backup_service.replicate import Replication
from backup_service.s3 import NoSuchObject, Vault
from backup_service.settings import Postgres, Redis, Settings, VaultAddress
from backup_service.transfer import Replicated

ADDRESS = VaultAddress("https://s3.eu-west-2.amazonaws.com", "eu-west-2", "bucket", None)
SETTINGS = Settings(
    stack="production",
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
    copies=False,
)
Fill = Callable[[Vault], dict[str, bytes]]


@pytest.fixture
def watching(vault: Vault, copy: Vault, tmp_path: Path) -> Replication:
    return Replication(SETTINGS, vault, copy, tmp_path)


@pytest.fixture
def said(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: dict(json.loads((tmp_path / "copy.json").read_text()))


def again(watching: Replication) -> None:
    """As if all was due."""
    watching._due = dict.fromkeys(watching._due, float("-inf"))
    assert watching.look()


def test_nothing_is_stored_in_the_copy_and_the_lag_is_what_it_lacks(
    watching: Replication,
    vault: Vault,
    copy: Vault,
    fill: Fill,
    at: Callable[..., None],
    said: Callable[[], dict[str, Any]],
) -> None:
    everything = fill(vault)
    at(vault, "canary/2026/11/22/010203.jsonl", times.now() - timedelta(minutes=20))
    assert watching.look()
    assert list(copy.list("")) == []
    found = said()
    assert found["state"] == "copying"
    assert found["objects_behind"] >= len(everything) - 2, "lists of backups wait for backups"
    assert 1200 <= found["lag_seconds"] < 1260
    fill(copy)
    again(watching)
    found = said()
    assert (found["state"], found["lag_seconds"], found["objects_behind"]) == ("ok", 0.0, 0)


def test_what_is_encrypted_otherwise_is_the_same_when_the_vault_says_it_arrived(
    vault: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The etag of what KMS encrypted says nothing about the content."""
    vault.put("a", b"one")
    copy.put("a", b"two")
    asked: list[str] = []
    arrived = {"a": False}

    def replicated(key: str) -> bool:
        asked.append(key)
        return arrived[key]

    monkeypatch.setattr(vault, "replicated", replicated)
    between = Replicated(vault, copy)
    assert [each.key for each in between.missing("")] == ["a"]
    arrived["a"] = True
    assert list(between.missing("")) == []
    assert list(between.missing("")) == []
    assert asked == ["a", "a"], "asked until it says so, and not after that"


def test_what_has_another_size_has_not_arrived_whatever_the_vault_says(
    vault: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("a", b"longer")
    copy.put("a", b"short")
    monkeypatch.setattr(vault, "replicated", lambda key: True)
    assert [each.key for each in Replicated(vault, copy).missing("")] == ["a"]


def test_what_is_deleted_while_it_is_looked_at_is_not_missing(
    vault: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("a", b"one")
    copy.put("a", b"two")

    def gone(key: str) -> bool:
        raise NoSuchObject("vault-1", "it is not there")

    monkeypatch.setattr(vault, "replicated", gone)
    assert list(Replicated(vault, copy).missing("")) == []


@pytest.mark.parametrize(
    ("status", "arrived"),
    [("COMPLETED", True), ("COMPLETE", True), ("PENDING", False), ("FAILED", False), (None, False)],
)
def test_only_what_s3_calls_completed_has_arrived(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, status: str | None, arrived: bool
) -> None:
    head = {} if status is None else {"ReplicationStatus": status}
    monkeypatch.setattr(vault.client, "head_object", lambda **_: head)
    assert vault.replicated("a") is arrived


def test_a_deletion_is_followed_after_the_whole_retention_time(
    watching: Replication, vault: Vault, copy: Vault, at: Callable[..., None]
) -> None:
    now = times.now()
    for key, days in (("old", 31), ("young", 29)):
        vault.put(key, b"x")
        copy.put(key, b"x")
        vault.delete(key)
        at(vault, key, now - timedelta(days=60), now - timedelta(days=days))
    assert watching.look()
    assert [each.key for each in copy.list("")] == ["young"]


def test_who_watches_needs_no_right_to_store(
    watching: Replication, vault: Vault, copy: Vault, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("stored")

    for name in ("put_object", "create_multipart_upload", "upload_part"):
        monkeypatch.setattr(copy.client, name, forbidden)
    fill(vault)
    assert watching.look()
    again(watching)


def test_this_program_copies_unless_it_is_told_that_the_vault_does() -> None:
    fields = {each.name: each.default for each in dataclasses.fields(Settings)}
    assert fields["copies"] is True
