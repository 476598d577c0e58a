"""The newest dump or snapshot: found, or missed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backup_service import fetch
from backup_service.fetch import NothingStored
from backup_service.records import Record


def put(vault: Any, name: str, manifest: Any) -> None:
    vault.put(f"logical/{name}/app.dump.gpg", b"x")
    if manifest is not None:
        vault.put(f"logical/{name}/manifest.json", json.dumps(manifest).encode())


def test_the_newest_that_is_whole(vault: Any) -> None:
    put(vault, "20261121T020000Z", {"n": 1})
    put(vault, "20261122T020000Z", {"n": 2})
    put(vault, "20261123T020000Z", None)
    assert fetch.newest(vault, "logical") == ("logical/20261122T020000Z/", {"n": 2})


def test_none_yet(vault: Any) -> None:
    with pytest.raises(NothingStored, match="none was made yet") as caught:
        fetch.newest(vault, "logical")
    assert not caught.value.due


def test_one_that_is_on_record_and_gone_is_missed(vault: Any) -> None:
    now = datetime(2026, 11, 22, 2, tzinfo=UTC)
    record = Record("a1", "logical", now, now, "ok")
    vault.put(record.key, json.dumps(record.document()).encode())
    with pytest.raises(NothingStored, match="on record") as caught:
        fetch.newest(vault, "logical")
    assert caught.value.due


def test_one_that_never_became_whole_is_missed(vault: Any) -> None:
    put(vault, "20261123T020000Z", None)
    with pytest.raises(NothingStored) as caught:
        fetch.newest(vault, "logical")
    assert caught.value.due


def test_a_manifest_that_is_none(vault: Any) -> None:
    put(vault, "20261123T020000Z", [1])
    with pytest.raises(ValueError, match="no manifest"):
        fetch.newest(vault, "logical")
