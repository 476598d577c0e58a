"""harm: exactly the damage that a drill asks for, and an honest account of what was refused."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from backup_service import harm as module
from backup_service import times
from backup_service.errors import WrongInput
from backup_service.harm import NothingToHarm, harm, inventory_of
from backup_service.rewind import rewind
from backup_service.s3 import Vault, VaultError

Contents = Callable[[Vault], dict[str, bytes]]
Fill = Callable[[Vault], dict[str, bytes]]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return [key for key in before if after.get(key) != before[key]]


@pytest.mark.usefixtures("no_waiting")
def test_one_bit_of_the_largest_file_of_the_newest_full_backup(
    vault: Vault, fill: Fill, contents: Contents
) -> None:
    before = fill(vault)
    vault.put("pgbackrest/backup/main/20261115-010000F/bundle/1", b"older" * 10_000)
    vault.put("pgbackrest/backup/main/20261122-010000F_20261123-010000D/bundle/1", b"d" * 90_000)
    found = harm(vault, "main", "flip")
    (key,) = found["objects"]
    assert key == "pgbackrest/backup/main/20261122-010000F/bundle/1"
    after = contents(vault)
    assert changed(before, after) == [key]
    bits = int.from_bytes(before[key]) ^ int.from_bytes(after[key])
    assert bits.bit_count() == 1
    assert after[key][: len(after[key]) // 2] == before[key][: len(before[key]) // 2]


@pytest.mark.usefixtures("no_waiting")
def test_one_segment_but_none_of_the_newest(vault: Vault, fill: Fill, contents: Contents) -> None:
    before = fill(vault)
    found = harm(vault, "main", "missing-wal")
    (key,) = found["objects"]
    assert changed(before, contents(vault)) == [key]
    segments = [each for each in before if each.startswith("pgbackrest/archive/main/17-1/")]
    assert segments.index(key) == 3
    assert len(segments) == 8


@pytest.mark.usefixtures("no_waiting")
def test_half_of_a_dump(vault: Vault, fill: Fill, contents: Contents) -> None:
    before = fill(vault)
    found = harm(vault, "main", "truncate-dump")
    (key,) = found["objects"]
    after = contents(vault)
    assert changed(before, after) == [key]
    assert after[key] == before[key][:200]


@pytest.mark.parametrize("kind", ["flip", "missing-wal", "truncate-dump"])
def test_without_backups_there_is_nothing_to_damage(vault: Vault, kind: str) -> None:
    with pytest.raises(NothingToHarm, match="vault-1: "):
        harm(vault, "main", kind)


def test_a_harm_there_is_not(vault: Vault) -> None:
    with pytest.raises(WrongInput, match="flip, missing-wal, truncate-dump, ransomware"):
        harm(vault, "main", "flood")


def test_nothing_survives_the_ransomware_and_all_comes_back(
    vault: Vault,
    fill: Fill,
    contents: Contents,
    progress: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = fill(vault)
    monkeypatch.setattr(module, "_attempts", lambda vault: {"all": "AccessDenied"})
    found = harm(vault, "main", "ransomware")
    assert changed(before, contents(vault)) == list(before)
    assert sorted(found["objects"]) == sorted(before)
    assert found["refused"] == {"all": "AccessDenied"}
    rewind(vault, times.parse(found["time_before"]), progress)
    assert contents(vault) == before


def test_every_attempt_is_made_and_its_answer_told(
    vault: Vault, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(vault)
    calls: list[str] = []

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            def refuse(**_: Any) -> None:
                calls.append(name)
                raise refusal("AccessDenied", 403)

            return refuse

    versions = list(vault.versions(""))
    monkeypatch.setattr(vault, "versions", lambda prefix: iter(versions))
    vault.client = Refusing()
    answers = module._attempts(vault)
    assert set(answers.values()) == {"AccessDenied"}
    assert len(answers) == 8
    assert calls.count("delete_object") == 2 * len(versions)


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": ""},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "DeleteObject",
    )


def fails(error: Exception) -> Callable[[], None]:
    def attempt() -> None:
        raise error

    return attempt


def test_one_that_was_allowed_is_not_hidden_by_those_that_were_not(vault: Vault) -> None:
    denied = fails(refusal("AccessDenied", 403))
    assert module._all(vault, [denied, denied]) == "AccessDenied"
    assert module._all(vault, [denied, lambda: None, denied]) is None


@pytest.mark.parametrize(
    "error", [refusal("InternalError", 500), EndpointConnectionError(endpoint_url="https://v")]
)
def test_no_answer_is_no_refusal(vault: Vault, error: Exception) -> None:
    with pytest.raises(VaultError):
        module._all(vault, [fails(error)])


def test_the_inventory_is_what_is_current(vault: Vault, fill: Fill) -> None:
    fill(vault)
    vault.delete("canary/2026/11/22/010203.jsonl")
    found = {each["key"]: each for each in inventory_of(vault)}
    assert "canary/2026/11/22/010203.jsonl" not in found
    assert found["records/full/20261122T010000Z-a.json"] == {
        "key": "records/full/20261122T010000Z-a.json",
        "size": 2,
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }
