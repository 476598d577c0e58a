"""Bytes done and what is left, where lines cannot be rewritten."""

from types import SimpleNamespace

import pytest

from cli import progress as module


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_line_every_few_seconds_says_how_far_it_is_and_what_is_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with module.Bytes("full") as progress:
        for second in range(0, 12):
            clock[0] = float(second)
            progress("copying", second * 1024, 20 * 1024)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "  full: copying: 5.0 KiB of 20.0 KiB (25 %), about 15 s left",
        "  full: copying: 10.0 KiB of 20.0 KiB (50 %), about 10 s left",
    ]


def test_what_is_left_is_reckoned_from_the_part_that_is_under_way(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with module.Bytes("full") as progress:
        progress("first", 100, 100)
        clock[0] = 100.0
        progress("second", 0, 1000)
        clock[0] = 110.0
        progress("second", 500, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "  full: second: 0 B of 1000 B (0 %)",
        "  full: second: 500 B of 1000 B (50 %), about 10 s left",
    ]


def test_where_nobody_knows_the_whole_only_what_is_done_is_said(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with module.Bytes("logical") as progress:
        clock[0] = 6.0
        progress("shop", 2048, None)
    assert capsys.readouterr().err == "  logical: shop: 2.0 KiB\n"


def test_on_a_terminal_it_is_a_bar_that_goes_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "is_plain", lambda: False)
    with module.Bytes("full [x]") as progress:
        progress("copying", 1, 2)
        progress("checking", 1, None)
    assert capsys.readouterr().out == ""
