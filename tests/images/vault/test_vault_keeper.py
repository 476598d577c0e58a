"""keeper: passes that go on where the last one was, and never hide that one failed."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def passes(programs: Any, container: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each pass was asked; the gateway and its bucket are none."""
    asked: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def private(region: str) -> Iterator[tuple[str, str]]:
        yield "http://127.0.0.1:1", "secret"

    def keep(client: Any, bucket: str, days: int, now: datetime, *, since: Any) -> Any:
        asked.append({"days": days, "since": since})
        return programs.lock.Done(locked=3, removed=2, bytes=10)

    monkeypatch.setattr(programs.gateway, "private", private)
    monkeypatch.setattr(programs.gateway, "client", lambda *_: None)
    bucket = SimpleNamespace(
        prepare=lambda client, wanted: wanted.lock_days, NotLocked=programs.bucket.NotLocked
    )
    monkeypatch.setitem(__import__("sys").modules, "bucket", bucket)
    monkeypatch.setitem(__import__("sys").modules, "lock", SimpleNamespace(keep=keep))
    return asked


def test_a_pass_goes_on_where_the_last_one_was(
    programs: Any, passes: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC)
    assert programs.keeper.main(["--once"]) == 0
    assert programs.keeper.main(["--once"]) == 0
    first, second = passes
    assert first["since"] is None
    # What was written while the first one listed is not missed.
    assert timedelta(0) <= before - second["since"] <= timedelta(minutes=11)
    assert (
        "3 versions locked for 30 days; removed: 2 versions (10 bytes)" in capsys.readouterr().err
    )


def test_a_longer_lock_is_given_to_all(
    programs: Any, passes: list[dict[str, Any]], settings: Any
) -> None:
    programs.keeper.main(["--once"])
    settings(lock_days=60)
    programs.keeper.main(["--once"])
    assert [each["since"] for each in passes] == [None, None]
    assert passes[1]["days"] == 60


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"days": 30, "locked_to": "yesterday"}'])
def test_a_broken_memory_means_that_all_is_locked_again(
    programs: Any, container: Path, content: str
) -> None:
    (container / "var" / "keeper.json").write_text(content)
    assert programs.keeper.since(30) is None


def test_a_pass_that_fails_says_so_and_is_not_remembered(
    programs: Any,
    passes: list[dict[str, Any]],
    container: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("the gateway is gone")

    monkeypatch.setattr(__import__("sys").modules["lock"], "keep", fails)
    assert programs.keeper.main(["--once"]) == 1
    assert "the gateway is gone" in capsys.readouterr().err
    assert not (container / "var" / "keeper.json").exists()


def test_what_is_remembered_is_read_back(programs: Any, container: Path) -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    (container / "var" / "keeper.json").write_text(
        json.dumps({"days": 30, "locked_to": moment.isoformat()})
    )
    assert programs.keeper.since(30) == moment
    assert programs.keeper.since(31) is None
