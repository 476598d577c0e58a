"""A full backup that is asked for, as it is written down."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup_service import times
from backup_service.wanted import full_since, want_full

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "now", lambda: NOW)


def test_at_first_none_is_wanted(tmp_path: Path) -> None:
    assert full_since(tmp_path) is None


@pytest.mark.parametrize(
    ("since", "noted"), [(None, NOW), (NOW - HOUR, NOW - HOUR), (NOW + HOUR, NOW)]
)
def test_it_is_wanted_since_then_and_never_since_a_time_to_come(
    tmp_path: Path, since: datetime | None, noted: datetime
) -> None:
    assert want_full(tmp_path, since) == {"full": times.iso(noted)}
    assert full_since(tmp_path) == noted


def test_a_later_wish_is_not_taken_back(tmp_path: Path) -> None:
    want_full(tmp_path, NOW)
    want_full(tmp_path, NOW - HOUR)
    assert full_since(tmp_path) == NOW


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"full": 3}', '{"full": "soon"}'])
def test_a_torn_file_wants_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "wanted.json").write_text(text)
    assert full_since(tmp_path) is None
