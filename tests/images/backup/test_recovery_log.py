"""What a server's log says of its recovery; the lines are PostgreSQL's and pgBackRest's own."""

from pathlib import Path

import pytest

from backup_service.recovery_log import RecoveryLog

SIZE = 16 * 1024 * 1024
STAMP = "2026-11-23 01:50:41.473 UTC [14502] "


def restored(*segments: str) -> list[str]:
    return [f'{STAMP}LOG:  restored log file "{each}" from archive' for each in segments]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def read(path: Path, *lines: str) -> RecoveryLog:
    path.write_text("".join(line + "\n" for line in lines))
    log = RecoveryLog(path)
    log.read()
    return log


SHORT = STAMP + "FATAL:  recovery ended before configured recovery target was reached"
TWO = ("00000001000000000000000B", "00000001000000000000000C")


def test_a_missing_segment_is_the_one_after_the_last(path: Path) -> None:
    log = read(path, *restored(*TWO), SHORT)
    assert log.not_reached
    assert log.why(SIZE).startswith("WAL segment 00000001000000000000000D is missing in the vault")
    assert "00000001000000000000000C" in log.why(SIZE)


def test_a_damaged_segment_is_not_called_missing(path: Path) -> None:
    log = read(
        path,
        *restored(*TWO),
        "ERROR: [042]: raised from local-1 protocol: unable to get 00000001000000000000000D:",
        "       repo1: 17-1/0000000100000000/x.zst [FormatError] zst error: [-20] Data corruption",
        STAMP + 'FATAL:  could not restore file "x" from archive: child process exited with 126',
    )
    assert not log.not_reached
    assert log.why(SIZE).startswith("WAL segment 00000001000000000000000D is damaged: repo1")


def test_a_record_that_does_not_match_its_checksum_names_its_segment(path: Path) -> None:
    log = read(
        path,
        *restored(*TWO),
        STAMP + "LOG:  incorrect resource manager data checksum in record at 0/C000F28",
        SHORT,
    )
    assert not log.not_reached
    assert log.why(SIZE) == "WAL segment 00000001000000000000000C (at 0/C000F28) is damaged"


@pytest.mark.parametrize(
    ("fatal", "said"),
    [
        ("WAL ends before end of online backup", "is missing in the vault: the backup needs it"),
        ("could not locate required checkpoint record", "in which the backup begins is missing"),
        (
            "requested recovery stop point is before consistent recovery point",
            "before the end of the backup",
        ),
        ("requested timeline 3 is not a child of this server's history", "way to that timeline"),
        ("something new", "something new"),
    ],
)
def test_other_ends(path: Path, fatal: str, said: str) -> None:
    assert said in read(path, *restored(*TWO), f"{STAMP}FATAL:  {fatal}").why(SIZE)


def test_a_server_that_says_nothing(path: Path) -> None:
    assert "did not say why" in read(path).why(SIZE)
    log = RecoveryLog(path.with_name("none"))
    log.read()
    assert log.segments == 0


def test_clients_that_come_too_early_are_no_failure_and_no_progress(path: Path) -> None:
    log = read(path, STAMP + "FATAL:  the database system is starting up")
    assert "did not say why" in log.why(SIZE)
    assert not log.tail


def test_it_is_read_as_it_grows(path: Path) -> None:
    log = read(path, *restored(TWO[0]))
    before = log.state()
    with path.open("a") as file:
        file.write(f'{STAMP}LOG:  restored log file "{TWO[1]}" from ')
        file.flush()
        log.read()
        assert log.segments == 1
        file.write("archive\n")
    log.read()
    assert (log.segments, log.last_segment) == (2, TWO[1])
    assert log.state() != before


def test_time_that_goes_by_is_no_progress(path: Path) -> None:
    lines = [
        f"2026-11-23 01:50:4{n}.473 UTC [1] LOG:  redo in progress, elapsed time: {n}0.00 s, "
        "current LSN: 0/A000028"
        for n in (1, 2)
    ]
    assert read(path, lines[0]).state() == read(path, lines[1]).state()


def test_settings_of_which_the_source_had_more(path: Path) -> None:
    log = read(
        path,
        STAMP + "WARNING:  hot standby is not possible because of insufficient parameter settings",
        STAMP + "DETAIL:  max_connections = 150 is a lower setting than on the primary server, "
        "where its value was 300.",
    )
    assert log.too_small == {"max_connections": "300"}


@pytest.mark.parametrize("kind", ["", "read-only "])
def test_it_tells_when_clients_are_let_in(path: Path, kind: str) -> None:
    assert read(path, f"{STAMP}LOG:  database system is ready to accept {kind}connections").open
