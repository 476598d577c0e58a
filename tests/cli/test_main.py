"""Exit codes, one line for an error, and the nearest command."""

from pathlib import Path
from typing import Any

import click
import pytest

from cli import __main__ as entry
from cli.console import Steps
from cli.errors import OperationFailed, UserError
from settings.errors import SettingsError


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["selfmonitor", *arguments])
    return entry.run()


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("no such thing"), 2, "selfmonitor: no such thing\n"),
        (SettingsError("postgres: is wrong"), 2, "selfmonitor: postgres: is wrong\n"),
        (
            OperationFailed("it broke", ("line a", "line b")),
            1,
            "selfmonitor: it broke\n  │ line a\n  │ line b\n",
        ),
        (KeyboardInterrupt(), 130, "selfmonitor: interrupted;"),
        (click.Abort(), 130, "selfmonitor: interrupted;"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_how_a_command_ends_is_its_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    def fails(**_: Any) -> None:
        raise error

    monkeypatch.setattr(entry, "main", fails)
    assert entry.run() == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(said)
    assert bool(captured.err) is bool(said)


@pytest.mark.parametrize(("given", "near"), [("stauts", "status"), ("dril", "drill")])
def test_an_unknown_command_suggests_the_nearest_and_exits_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str, near: str
) -> None:
    assert run(monkeypatch, given) == 2
    assert f"no such command: {given}; did you mean {near}?" in capsys.readouterr().err


def test_a_command_like_no_other_lists_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "zzzzqqq") == 2
    said = capsys.readouterr().err
    assert all(name in said for name in entry.COMMANDS)


def test_help_lists_every_command_and_exits_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in entry.COMMANDS)


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_every_command_there_is_says_the_help_it_is_listed_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(monkeypatch, name, "--help") == 0
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["up", "preview", "connection", "status"])
def test_a_stack_name_docker_could_not_have_is_refused_before_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(monkeypatch, "-s", "../x", command) == 2
    assert "stack '../x' is not a name" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["up", "preview"])
def test_a_stack_that_does_not_exist_is_refused_before_docker_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr("cli.host.docker_engine.connect", lambda: pytest.fail("it was asked"))
    assert run(monkeypatch, "-s", "nowhere", command) == 2
    said = capsys.readouterr().err
    assert "stack nowhere does not exist" in said
    assert "local" in said
    assert not (Path(entry.__file__).parents[1] / ".selfmonitor" / "nowhere").exists()


def test_where_there_is_no_terminal_steps_are_plain_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = Steps()
    with steps.step("making [it]") as step:
        step.remark("of wood")
    with pytest.raises(ValueError, match="no"), steps.step("breaking it"):
        raise ValueError("no")
    steps.line("✓ done")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\x1b" not in captured.err
    first, second, third = captured.err.splitlines()
    assert first.startswith("✓ making [it]  of wood  ")
    assert first.endswith(" s")
    assert second.startswith("✗ breaking it  ")
    assert third == "✓ done"
