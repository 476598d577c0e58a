"""seed: a vault that was lost is filled from the copy, and one that was not is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from backup_service.s3 import Vault, VaultError
from backup_service.seed import OtherHistory, seed
from backup_service.transfer import rank

INFO = "pgbackrest/backup/main/backup.info"
EARLY = datetime(2026, 11, 22, 1, tzinfo=UTC)
LATE = datetime(2026, 11, 22, 2, tzinfo=UTC)
Contents = Callable[[Vault], dict[str, bytes]]
Fill = Callable[[Vault], dict[str, bytes]]


def test_an_empty_vault_gets_all_and_the_list_of_backups_last(
    vault: Vault,
    copy: Vault,
    fill: Fill,
    contents: Contents,
    progress: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = fill(copy)
    keys: list[str] = []
    upload = vault.upload
    monkeypatch.setattr(vault, "upload", lambda key, *more: (keys.append(key), upload(key, *more)))
    size = sum(map(len, everything.values()))
    assert seed(copy, vault, "main", progress) == {
        "objects": len(everything),
        "bytes": size,
        "copied": size,
    }
    assert contents(vault) == everything
    assert [rank(key) for key in keys] == sorted(rank(key) for key in keys)
    done = [done for _, done, _ in progress.reports]
    assert done == sorted(done)
    assert progress.reports[-1] == ("seed", size, size)


def test_killed_half_way_the_next_goes_on(
    vault: Vault,
    copy: Vault,
    fill: Fill,
    contents: Contents,
    progress: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = fill(copy)
    upload, left = vault.upload, [6]

    def dies(*arguments: Any) -> int:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return upload(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(vault, "upload", dies)
        with pytest.raises(KeyboardInterrupt):
            seed(copy, vault, "main", progress)
    assert not vault.exists(INFO)
    before = sum(map(len, contents(vault).values()))
    found = seed(copy, vault, "main", progress)
    assert found["copied"] == found["bytes"] - before
    assert contents(vault) == everything
    assert seed(copy, vault, "main", progress)["copied"] == 0


def test_a_vault_with_backups_of_its_own_is_left_alone(
    vault: Vault, copy: Vault, fill: Fill, at: Callable[..., None], progress: Any
) -> None:
    fill(copy)
    vault.put(INFO, b"of another cluster")
    at(copy, INFO, EARLY)
    at(vault, INFO, LATE)
    with pytest.raises(OtherHistory, match=r"2026-11-22 02:00:00Z.*nothing was copied"):
        seed(copy, vault, "main", progress)
    assert [each.key for each in vault.list("")] == [INFO]


def test_a_vault_that_is_behind_the_copy_is_brought_up_to_it(
    vault: Vault,
    copy: Vault,
    fill: Fill,
    contents: Contents,
    at: Callable[..., None],
    progress: Any,
) -> None:
    everything = fill(copy)
    vault.put(INFO, b"an older state")
    at(vault, INFO, EARLY)
    at(copy, INFO, LATE)
    seed(copy, vault, "main", progress)
    assert contents(vault) == everything


def test_a_copy_without_backups_is_nothing_to_recover_from(
    vault: Vault, copy: Vault, progress: Any
) -> None:
    copy.put("canary/1", b"")
    with pytest.raises(VaultError, match="there is no backup of main to recover from"):
        seed(copy, vault, "main", progress)
