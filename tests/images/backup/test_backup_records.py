"""What is known of every run: over crashes, full disks and a vault that is away."""

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from backup_service import records as module
from backup_service import state, times
from backup_service.records import (
    FAILED,
    INTERRUPTED,
    OK,
    Record,
    Records,
    from_document,
    newest_in_vault,
)

VERIFIED = [{"what": "page checksums", "result": True, "detail": "all"}]


def finished(records: Records, kind: str = "full", result: str = OK) -> Record:
    return records.begin(kind).finish(result)


def test_a_run_is_a_record_here_and_in_the_vault(tmp_path: Path, vault: Any) -> None:
    running = Records(tmp_path, vault).begin("full")
    record = running.finish(OK, bytes=7, verified=VERIFIED, details={"label": "x"})
    (found,) = Records(tmp_path).all()
    assert found == from_document(record.document())
    assert (found.kind, found.result, found.bytes, found.error) == ("full", OK, 7, None)
    assert found.verified == VERIFIED
    assert found.details == {"label": "x"}
    assert found.ended is not None
    (key,) = vault.content
    assert key == f"records/full/{times.stamp(found.started)}-{found.id}.json"
    assert from_document(json.loads(vault.content[key])) == found
    assert (tmp_path / "records.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_last_is_the_last_begun_and_may_be_running(tmp_path: Path) -> None:
    records = Records(tmp_path)
    first = finished(records)
    finished(records, result=FAILED)
    records.begin("full")
    finished(records, "redis")
    last = records.last("full")
    assert last is not None
    assert last.running
    assert records.last("full", OK) == from_document(first.document())
    assert records.last("logical") is None


def test_an_error_is_one_line(tmp_path: Path) -> None:
    record = Records(tmp_path).begin("full").finish(FAILED, error="a\nb\x1b[31m" + "c" * 10_000)
    assert record.error is not None
    assert record.error.startswith("a b [31mccc")
    assert record.error.isprintable()
    assert len(record.error) < 1000


def test_a_run_that_was_killed_is_known_for_it(tmp_path: Path, vault: Any) -> None:
    Records(tmp_path).begin("full")
    Records(tmp_path).begin("redis")
    records = Records(tmp_path, vault)
    (found,) = records.interrupt("full", "it was killed")
    assert (found.result, found.error) == (INTERRUPTED, "it was killed")
    assert records.interrupt("full", "again") == []
    assert [each.running for each in records.all("redis")] == [True]
    assert len(vault.content) == 1


def test_what_the_vault_did_not_take_is_copied_later(tmp_path: Path, vault: Any) -> None:
    vault.away = True
    records = Records(tmp_path, vault)
    finished(records)
    assert records.send() == 1
    vault.away = False
    finished(Records(tmp_path, vault), "redis")
    assert len(vault.content) == 2
    assert records.unsent() == []
    vault.content.clear()
    assert records.send() == 0
    assert vault.content == {}


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_a_line_written_half_way_costs_no_other(tmp_path: Path, kept: int) -> None:
    finished(Records(tmp_path))
    path = tmp_path / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[0][:kept])
    finished(Records(tmp_path), "redis")
    assert [each.kind for each in Records(tmp_path).all()] == ["full", "redis"]
    assert all(not each.running for each in Records(tmp_path).all())


def test_another_process_s_records_are_seen(tmp_path: Path) -> None:
    here, there = Records(tmp_path), Records(tmp_path)
    assert here.all() == []
    finished(there)
    assert len(here.all()) == 1
    running = there.begin("full")
    assert [each.running for each in here.all()] == [False, True]
    running.finish(OK)
    assert [each.running for each in here.all()] == [False, False]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records(tmp_path)
    finished(records)
    whole = (tmp_path / "records.jsonl").read_bytes()
    answers = iter([10])

    def until_full(file: int, content: Any) -> int:
        try:
            return os.pwrite(file, content[: next(answers)], os.fstat(file).st_size)
        except StopIteration:
            raise OSError(28, "No space left on device") from None

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", until_full)
        with pytest.raises(OSError, match="No space"):
            records.begin("redis")
    assert (tmp_path / "records.jsonl").read_bytes() == whole
    finished(records, "redis")
    assert len(records.all()) == 2


def test_the_file_stays_small_and_forgets_nothing_that_counts(
    tmp_path: Path, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 4000)
    monkeypatch.setattr(module, "KEPT_OF_EACH_KIND", 3)
    records = Records(tmp_path, vault)
    good = finished(records)
    for _ in range(30):
        finished(records, result=FAILED)
    assert records.last("full", OK) == from_document(good.document())
    assert len(records.all()) < 20
    assert len(vault.content) == 31
    vault.away = True
    for _ in range(30):
        finished(records, result=FAILED)
    # What is nowhere else is not thrown away.
    assert len(records.unsent()) == 30


def test_the_vaults_records_come_newest_first_and_bounded(tmp_path: Path, vault: Any) -> None:
    day = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    made = [
        Record(f"id{index}", "redis", day + datetime.timedelta(days=index), day, OK)
        for index in range(5)
    ]
    for record in made:
        vault.put(record.key, json.dumps(record.document()).encode())
    vault.put("records/redis/20261103T120000Z-broken.json", b"{")
    vault.put("records/redis-2/20261109T120000Z-other.json", b"{}")
    found = list(newest_in_vault(vault, "redis", most=4))
    assert [each.id for each in found] == ["id4", "id3", "id2"]


@pytest.mark.parametrize("found", [{}, {"id": "a"}, {"id": 1, "started": None}])
def test_what_is_no_record_is_not_taken_for_one(found: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no record"):
        from_document(found)


# States.


def test_a_state_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "state.json"
    state.write(path, {"a": 1})
    assert state.read(path) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patch:
        patch.setattr(
            state.os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "full"))
        )
        with pytest.raises(OSError, match="full"):
            state.write(path, {"a": 2})
    assert state.read(path) == {"a": 1}
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_states_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    state.write(tmp_path / "copy.json", {"a": 1})
    (tmp_path / "archiver.json").write_text('{"a"')
    (tmp_path / "list.json").write_text("[]")
    assert state.read_all(tmp_path) == {"copy": {"a": 1}}
