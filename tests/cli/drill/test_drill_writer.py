"""The writer: what it remembers, and that it always stops."""

import threading
import time
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from cli.drill.account import settle
from cli.drill.journal import Outcome
from cli.drill.postgres_store import INSERT, PostgresStore, brief, shut
from cli.drill.store import Way
from cli.drill.writer import STOPPED_WHILE_WAITING, Writer

pytestmark = pytest.mark.usefixtures("no_thread_left")


def until(condition: Any, seconds: float = 1.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


def ways(database: Any, clients: int) -> list[Way]:
    return PostgresStore(database.connect).ways("r", clients)


def outcomes(journal: Any) -> list[int]:
    return [outcome for client in journal.clients for outcome in client.outcomes]


def test_every_acknowledgement_is_remembered_with_its_time(database: Any) -> None:
    writer = Writer(ways(database, 3))
    before = time.monotonic()
    writer.start()
    until(lambda: writer.acknowledged >= 30)
    journal = writer.stop()
    assert len(database.rows) == len(journal.acknowledged_at()) == len(outcomes(journal))
    assert {client for _, client, _ in database.rows} == {0, 1, 2}
    assert set(outcomes(journal)) == {Outcome.ACKNOWLEDGED}
    for sent, acked in journal.sent_and_acknowledged():
        assert before <= sent <= acked <= time.monotonic()
    assert not journal.errors


def test_a_client_keeps_its_pace(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.drill.writer.PACE_SECONDS", 0.02)
    writer = Writer(ways(database, 1))
    writer.start()
    time.sleep(0.2)
    assert 1 <= len(writer.stop().acknowledged_at()) <= 11


def test_an_error_leaves_the_outcome_unknown_and_a_number_is_never_used_twice(
    database: Any,
) -> None:
    inserts = iter(range(10**6))

    def fail_every_third(connection: Any) -> None:
        if next(inserts) % 3 == 2:
            raise psycopg.OperationalError("server conn crashed?\nSSL connection closed")

    database.on_insert = fail_every_third
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: writer.acknowledged >= 20)
    journal = writer.stop()
    unknown = [s for s, o in enumerate(journal.clients[0].outcomes) if o == Outcome.UNKNOWN]
    assert unknown
    assert all(seq % 3 == 2 for seq in unknown)
    assert sorted(seq for _, _, seq in database.rows) == [
        s for s, o in enumerate(journal.clients[0].outcomes) if o == Outcome.ACKNOWLEDGED
    ]
    ((error, count),) = journal.errors.items()
    assert (error.type, error.message) == ("OperationalError", "server conn crashed?")
    assert count == len(unknown)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "25006"),
        (psycopg.errors.ProtocolViolation("server shutting down"), "08P01"),
    ],
)
def test_a_standby_and_a_router_that_leaves_have_refused_and_nothing_is_unknown(
    database: Any, error: psycopg.Error, code: str
) -> None:
    def refuse(connection: Any) -> None:
        raise error

    database.on_insert = refuse
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: len(writer._clients[0]._outcomes) >= 3)
    journal = writer.stop()
    assert set(outcomes(journal)) == {Outcome.REFUSED}
    assert settle(journal, []).unknown == 0
    assert [error.code for error in journal.errors] == [code]


def test_another_protocol_violation_leaves_the_outcome_unknown(database: Any) -> None:
    def crash(connection: Any) -> None:
        raise psycopg.errors.ProtocolViolation("server conn crashed?")

    database.on_insert = crash
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: len(writer._clients[0]._outcomes) >= 3)
    assert set(outcomes(writer.stop())) == {Outcome.UNKNOWN}


def test_an_acknowledgement_with_a_cancelled_wait_is_unknown(database: Any) -> None:
    message = "canceling wait for synchronous replication due to user request"
    database.on_insert = lambda connection: connection.notify("01000", message)
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: len(writer._clients[0]._outcomes) >= 3)
    journal = writer.stop()
    assert set(outcomes(journal)) == {Outcome.UNKNOWN}
    assert not journal.acknowledged_at()
    ((error, _),) = journal.errors.items()
    assert (error.type, error.code, error.message) == ("Warning", "01000", message)
    assert settle(journal, [(0, seq) for _, _, seq in database.rows]).unknown_found >= 3


def test_another_notice_does_not_cast_doubt_on_an_acknowledgement(database: Any) -> None:
    database.on_insert = lambda connection: connection.notify("00000", "something else")
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: writer.acknowledged >= 3)
    assert set(outcomes(writer.stop())) == {Outcome.ACKNOWLEDGED}


def test_a_refused_connection_uses_no_number_and_is_tried_again(database: Any) -> None:
    attempts = iter(range(10**6))

    def refuse_at_first() -> None:
        if next(attempts) < 3:
            raise psycopg.OperationalError("connection refused")

    database.on_connect = refuse_at_first
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: writer.acknowledged >= 1)
    journal = writer.stop()
    assert set(outcomes(journal)) == {Outcome.ACKNOWLEDGED}
    assert list(journal.errors.values()) == [3]


def test_a_commit_that_hangs_is_cut_off_in_bounded_time(database: Any) -> None:
    database.on_insert = lambda connection: connection.hang()
    writer = Writer(ways(database, 4))
    writer.start()
    until(lambda: all(len(client._outcomes) == 1 for client in writer._clients))
    began = time.monotonic()
    journal = writer.stop()
    assert time.monotonic() - began < 2
    assert outcomes(journal) == [Outcome.UNKNOWN] * 4
    assert journal.errors == {STOPPED_WHILE_WAITING: 4}
    assert settle(journal, []).unknown == 4


def test_a_commit_that_can_be_cancelled_is_not_cut_off(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.drill.writer.CANCEL_SECONDS", 5.0)

    def wait_for_cancel(connection: Any) -> None:
        assert connection.cancelled.wait(5)
        raise psycopg.errors.QueryCanceled("canceling statement due to user request")

    database.on_insert = wait_for_cancel
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: len(writer._clients[0]._outcomes) == 1)
    began = time.monotonic()
    assert writer.stop().errors == {STOPPED_WHILE_WAITING: 1}
    assert time.monotonic() - began < 2


def test_what_a_client_dies_of_is_not_kept_quiet(database: Any) -> None:
    def die(connection: Any) -> None:
        raise ZeroDivisionError

    database.on_insert = die
    writer = Writer(ways(database, 1))
    writer.start()
    until(lambda: writer._clients[0].crash)
    with pytest.raises(ZeroDivisionError):
        writer.stop()


def test_answered_since_asks_for_statements_sent_since(database: Any) -> None:
    writer = Writer(ways(database, 1))
    assert not writer.answered_since(0.0)
    writer.start()
    until(lambda: writer.acknowledged >= 1)
    assert writer.answered_since(0.0)
    writer.stop()
    assert not writer.answered_since(time.monotonic())


def test_every_path_must_answer_for_writing_to_go_on(database: Any) -> None:
    dead = threading.Event()

    def fail_at_will(connection: Any) -> None:
        if dead.is_set() and connection.database is database:
            raise psycopg.OperationalError("connection refused")

    database.on_insert = fail_at_will
    other = type(database)()
    (one,), (two,) = ways(database, 1), ways(other, 1)
    writer = Writer([replace(one, path="near"), replace(two, path="far")])
    began = time.monotonic()
    writer.start()
    until(lambda: writer.answered_since(began))
    dead.set()
    died_at = time.monotonic()
    rows = len(other.rows)
    until(lambda: len(other.rows) > rows + 5)
    assert not writer.answered_since(died_at)
    journal = writer.stop()
    assert journal.paths() == ["near", "far"]
    assert journal.acknowledged_at("near")[-1] < died_at + 0.05
    assert journal.acknowledged_at("far")[-1] == journal.acknowledged_at()[-1]


def test_a_brief_connection_is_cut_when_its_time_is_up(database: Any) -> None:
    database.on_insert = lambda connection: connection.hang()
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError), brief(database.connect, 0.05) as connection:
        connection.execute(INSERT, ("r", 0, 0))
    assert 0.04 < time.monotonic() - began < 2


def test_shutting_a_closed_connection_does_nothing(database: Any) -> None:
    connection = database.connect()
    connection.close()
    shut(connection)
