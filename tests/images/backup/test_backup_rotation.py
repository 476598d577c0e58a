"""What goes when it is too old, and what never goes."""

import datetime
from typing import Any

import pytest

from backup_service.rotation import rotate

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
YOUNG, OLD, OLDER = "20261024T130000Z", "20261024T110000Z", "20261001T020000Z"


def fill(vault: Any, *names: str, whole: bool = True, kind: str = "logical") -> None:
    for name in names:
        vault.put(f"{kind}/{name}/app.dump.gpg", b"x")
        if whole:
            vault.put(f"{kind}/{name}/manifest.json", b"{}")


def gone(vault: Any, kind: str = "logical") -> list[str]:
    found: list[str] = rotate(vault, kind, 30, NOW)["folders"]
    return found


def test_what_is_older_than_the_retention_goes_manifest_first(vault: Any) -> None:
    fill(vault, OLDER, OLD, YOUNG)
    fill(vault, OLD, kind="redis")
    assert gone(vault) == [OLDER, OLD]
    assert vault.deleted == [
        f"logical/{OLDER}/manifest.json",
        f"logical/{OLDER}/app.dump.gpg",
        f"logical/{OLD}/manifest.json",
        f"logical/{OLD}/app.dump.gpg",
    ]
    assert gone(vault) == []
    assert f"redis/{OLD}/manifest.json" in vault.content


def test_the_newest_whole_one_never_goes(vault: Any) -> None:
    fill(vault, OLDER, OLD)
    fill(vault, YOUNG, whole=False)
    assert gone(vault) == [OLDER]
    fill(vault, OLD, whole=False, kind="redis")
    assert gone(vault, "redis") == [OLD]


def test_what_was_deleted_half_way_goes_the_next_time(vault: Any) -> None:
    fill(vault, OLD, whole=False)
    fill(vault, YOUNG)
    assert gone(vault) == [OLD]


def test_what_is_not_of_this_program_stays(vault: Any) -> None:
    fill(vault, "by-hand", YOUNG)
    vault.put("logical/readme", b"x")
    assert gone(vault) == []
    assert vault.deleted == []


def test_old_records_and_journals_go_too(vault: Any) -> None:
    kept = [
        "records/full/20251020T010000Z-a.json",
        "records/redis/20261122T010000Z-b.json",
        "canary/2026/10/10/000000.jsonl",
        "canary/2026/11/23/000000.jsonl",
    ]
    old = [
        "canary/2025/12/31/000000.jsonl",
        "canary/2026/10/09/235959.jsonl",
        "records/full/20251018T010000Z-a.json",
        "records/redis/20201122T010000Z-b.json",
    ]
    for key in kept + old:
        vault.put(key, b"x")
    found = rotate(vault, "redis", 30, NOW)
    assert (found["records"], found["canary"]) == (2, 2)
    assert sorted(vault.deleted) == old
    assert sorted(vault.content) == sorted(kept)


def test_a_vault_that_was_left_alone_is_tidied_over_some_days(
    vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backup_service.rotation.MOST_DELETED", 2)
    for hour in range(3):
        vault.put(f"canary/2026/01/01/{hour:02}0000.jsonl", b"x")
    assert rotate(vault, "redis", 30, NOW)["canary"] == 2
    assert rotate(vault, "redis", 30, NOW)["canary"] == 1
