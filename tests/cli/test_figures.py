"""Sizes, ages and times for a person."""

from datetime import UTC, datetime

import pytest

from cli.figures import seconds_since, shown, size, span


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**4, "3.0 TiB"),
    ],
)
def test_a_size_is_in_the_unit_that_fits(number: int | None, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (48 * 3600 - 1, "47 h"),
        (48 * 3600, "2 d"),
    ],
)
def test_a_span_is_in_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    "written", ["2026-11-23T01:02:03.5Z", "2026-11-23T01:02:03.5", "2026-11-23T02:02:03.5+01:00"]
)
def test_a_time_is_utc_whatever_its_offset(written: str) -> None:
    assert shown(written) == "2026-11-23 01:02:03"
    assert seconds_since(written, datetime(2026, 11, 23, 1, 2, 4, tzinfo=UTC)) == 0.5


@pytest.mark.parametrize("written", [None, ""])
def test_no_time_is_shown_as_none(written: str | None) -> None:
    assert shown(written) == ""
    assert seconds_since(written) is None


def test_what_is_no_time_is_shown_as_it_is() -> None:
    assert shown("soon") == "soon"
    assert seconds_since("soon") is None
