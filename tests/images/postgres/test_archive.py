"""pgbackrest-archive: what a member does with a finished file of the WAL."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "pgbackrest-archive"
IMAGE = Path(__file__).resolve().parents[3] / "images" / "postgres"
# Timeline 2, and the segment after it in the same range of the log.
SEGMENT = "0000000200000000000000A1"
NEXT = "0000000200000000000000A2"
AWAY = "2026-11-23 01:00:00.000 P00  ERROR: [103]: unable to connect to 'vault-1:7070'"


def stored(*segments: str, version: str = "17-1") -> dict[str, list[str]]:
    """A repository that holds these, as `repo-ls` lists it: {path: [name]}."""
    found: dict[str, set[str]] = {"archive/main": {version, "archive.info", "archive.info.copy"}}
    for name in segments:
        base = f"archive/main/{version}"
        found.setdefault(base, set()).add(name[:16])
        found.setdefault(f"{base}/{name[:16]}", set()).add(f"{name}-{'0af' * 13}1.zst")
    return {path: sorted(names) for path, names in found.items()}


@pytest.fixture
def archive(bench: Any, tmp_path: Path) -> Callable[..., Any]:
    def run(name: str = SEGMENT, **changes: Any) -> Any:
        short = {"KNOWN": str(tmp_path / "known.json"), "LOOK_SECONDS": 0.01}
        return bench.run(SCRIPT, f"pg_wal/{name}", name, **{**short, **changes})

    return run


@pytest.fixture
def standby(bench: Any) -> Path:
    found: Path = bench.data / "standby.signal"
    found.touch()
    return found


def pushed(bench: Any) -> list[str]:
    return [call[-1] for call in bench.calls if "archive-push" in call]


def asked(bench: Any) -> int:
    return len([call for call in bench.calls if "repo-ls" in call])


# A primary


@pytest.mark.parametrize(
    "name",
    [
        SEGMENT,
        "00000003.history",
        f"{SEGMENT}.partial",
        f"{SEGMENT}.00000028.backup",
    ],
)
def test_a_primary_pushes_whatever_it_is_given(bench: Any, archive: Any, name: str) -> None:
    assert archive(name).returncode == 0
    assert bench.calls == [["pgbackrest", "--stanza=main", "archive-push", f"pg_wal/{name}"]]


@pytest.mark.parametrize("status", [0, 25, 103])
def test_what_became_of_a_push_is_what_postgresql_hears(
    bench: Any, archive: Any, status: int
) -> None:
    bench.tell(status=status)
    assert archive().returncode == status


def test_a_primary_does_not_trust_what_it_saw_as_a_standby(
    bench: Any, archive: Any, standby: Path
) -> None:
    bench.tell(repository=stored(SEGMENT))
    assert archive().returncode == 0
    standby.unlink()
    assert archive().returncode == 0
    assert pushed(bench) == [f"pg_wal/{SEGMENT}"]


# A standby


@pytest.mark.parametrize(
    "there",
    [
        stored(SEGMENT),
        stored("0000000100000000000000A1", SEGMENT, NEXT),
        # At which the history forked: whoever follows the new timeline needs no other.
        stored("0000000300000000000000A1"),
        stored("0000000A00000000000000A1"),
        {**stored("0000000100000000000000A1", version="16-1"), **stored(SEGMENT)}
        | {"archive/main": ["16-1", "17-1"]},
    ],
    ids=["itself", "among others", "next timeline", "a later one", "after an upgrade"],
)
@pytest.mark.usefixtures("standby")
def test_a_standby_lets_go_of_what_is_in_the_repository(
    bench: Any, archive: Any, there: dict[str, list[str]]
) -> None:
    bench.tell(repository=there)
    assert archive().returncode == 0
    assert pushed(bench) == []


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"archive/main": ["archive.info"]},
        stored(NEXT),
        # Of a history that ended before.
        stored("0000000100000000000000A1"),
        # The same number in another range of the log.
        stored("0000000200000001000000A1"),
        stored(f"{SEGMENT}.partial"),
    ],
    ids=["nothing", "no backup yet", "another", "earlier timeline", "another range", "partial"],
)
@pytest.mark.usefixtures("standby")
def test_a_standby_keeps_what_is_not_and_pushes_nothing(
    bench: Any, archive: Any, one_line: Any, there: dict[str, list[str]]
) -> None:
    bench.tell(repository=there)
    line = one_line(archive())
    assert line == f"archive: {SEGMENT} stays here until the primary has pushed it"
    assert pushed(bench) == []


@pytest.mark.usefixtures("standby")
def test_a_standby_looks_again_before_it_gives_up(bench: Any, archive: Any) -> None:
    """The primary pushes at the moment a standby closes the same segment."""
    bench.tell(repository={}, after=(3, {"repository": stored(SEGMENT)}))
    assert archive().returncode == 0
    assert pushed(bench) == []


def test_a_standby_that_is_promoted_meanwhile_pushes_what_it_kept(
    bench: Any, archive: Any, standby: Path
) -> None:
    bench.tell(repository={}, removes=str(standby))
    assert archive().returncode == 0
    assert pushed(bench) == [f"pg_wal/{SEGMENT}"]


@pytest.mark.parametrize(
    "name", ["00000003.history", f"{SEGMENT}.partial", f"{SEGMENT}.00000028.backup"]
)
@pytest.mark.usefixtures("standby")
def test_a_standby_leaves_other_files_to_who_made_them(bench: Any, archive: Any, name: str) -> None:
    assert archive(name).returncode == 0
    assert bench.calls == []


# Asking once


@pytest.mark.usefixtures("standby")
def test_a_standby_that_is_behind_asks_once_and_not_once_a_segment(
    bench: Any, archive: Any
) -> None:
    names = [f"00000002000000000000{n:04X}" for n in range(5)]
    bench.tell(repository=stored(*names))
    assert [archive(name).returncode for name in names] == [0] * 5
    assert asked(bench) == 3, "versions, ranges, segments"


@pytest.mark.usefixtures("standby")
def test_what_it_has_not_seen_yet_it_asks_for(bench: Any, archive: Any) -> None:
    bench.tell(repository=stored(SEGMENT))
    archive()
    bench.tell(repository=stored(SEGMENT, NEXT))
    assert archive(NEXT).returncode == 0
    assert asked(bench) == 3


@pytest.mark.parametrize("text", ["", "{", "null!", '["0000'])
@pytest.mark.usefixtures("standby")
def test_a_note_that_is_cut_off_is_no_note(
    bench: Any, archive: Any, tmp_path: Path, text: str
) -> None:
    (tmp_path / "known.json").write_text(text)
    bench.tell(repository=stored(SEGMENT))
    assert archive().returncode == 0
    assert json.loads((tmp_path / "known.json").read_text()) == [SEGMENT]
    assert {each.name for each in tmp_path.iterdir()} == {"bin", "data", "known.json"}


# The vault is away


@pytest.mark.usefixtures("standby")
def test_while_the_vault_is_away_a_standby_keeps_all_and_says_why(
    bench: Any, archive: Any, one_line: Any
) -> None:
    bench.tell(away=AWAY)
    line = one_line(archive())
    assert line == f"archive: {SEGMENT} stays here: {AWAY.replace('  ', ' ')}"
    assert asked(bench) == 1, "it is PostgreSQL that asks again"
    assert pushed(bench) == []


@pytest.mark.usefixtures("standby")
def test_a_vault_that_says_nothing_is_away_too(bench: Any, archive: Any, one_line: Any) -> None:
    bench.tell(repository={}, status=99)
    line = one_line(archive())
    assert line == f"archive: {SEGMENT} stays here: the repository does not answer"


@pytest.mark.usefixtures("standby")
def test_a_vault_that_hangs_is_waited_for_only_so_long(
    bench: Any, archive: Any, one_line: Any
) -> None:
    bench.tell(repository=stored(SEGMENT), hangs=20)
    line = one_line(archive(LIST_SECONDS=0.5))
    assert line.startswith(f"archive: {SEGMENT} stays here: ")
    assert "timed out" in line


@pytest.mark.usefixtures("standby")
def test_what_was_seen_before_the_vault_went_away_still_counts(bench: Any, archive: Any) -> None:
    bench.tell(repository=stored(SEGMENT, NEXT))
    assert archive().returncode == 0
    bench.tell(away=AWAY)
    assert archive(NEXT).returncode == 0
    assert bench.calls == []


def test_it_is_called_as_pgbackrest_demands_and_can_be_run() -> None:
    """Its name must have pgbackrest in it: `check` looks for that in archive_command."""
    assert "pgbackrest" in SCRIPT
    assert os.access(IMAGE / SCRIPT, os.X_OK)
