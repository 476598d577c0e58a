"""What a restored database is asked."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from backup_service import checks
from backup_service.settings import Invariant


@dataclass(frozen=True)
class Entry:
    time: datetime
    id: int
    sha256: str


class Cursor:
    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows
        self.description = ["a"] if rows or rows == [] else None

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def fetchmany(self, count: int) -> list[tuple[Any, ...]]:
        return self._rows[:count]


class Server:
    """Answers every statement with the same rows, or an error."""

    def __init__(self, answer: list[tuple[Any, ...]] | psycopg.Error) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str]] = []

    @contextlib.contextmanager
    def connect(self, database: str, options: str) -> Iterator["Server"]:
        self.asked.append((database, options))
        yield self

    def execute(self, statement: Any, **options: Any) -> Cursor:
        if isinstance(self._answer, psycopg.Error):
            raise self._answer
        return Cursor(self._answer)


ENTRY = Entry(datetime(2026, 11, 23, 1, tzinfo=UTC), 7, "ab")


def canary(answer: Any, expected: Entry | None = ENTRY) -> checks.Finding:
    server: Any = Server(answer)
    entry: Any = expected
    return checks.canary(server, entry)


def test_a_canary_as_it_was_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "content", lambda server: "ab")
    assert canary([]).result
    assert "entry 7 of 2026-11-23T01:00:00.000000Z" in canary([]).detail


def test_another_content_fails_and_both_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "content", lambda server: "cd")
    found = canary([])
    assert not found.result
    assert "cd" in found.detail
    assert "has ab" in found.detail


def test_without_a_journal_nothing_is_proven() -> None:
    assert canary([], None) == checks.Finding(
        "canary", False, "the journal has no entry for this point: is `canary` running?"
    )


def test_a_table_that_cannot_be_read_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def content(server: Any) -> str:
        raise psycopg.OperationalError("relation does\nnot exist")

    monkeypatch.setattr(checks, "content", content)
    found = canary([])
    assert not found.result
    assert "relation does not exist" in found.detail


INVARIANT = Invariant("positive", "app", "SELECT true")


def invariant(answer: Any) -> checks.Finding:
    server: Any = Server(answer)
    (found,) = checks.invariants(server, [INVARIANT])
    (asked,) = server.asked
    assert asked[0] == "app"
    assert "default_transaction_read_only=on" in asked[1]
    assert "statement_timeout=300s" in asked[1]
    return found


def test_an_invariant_that_holds() -> None:
    assert invariant([(True,)]) == checks.Finding("invariant positive", True, "in app: true")


@pytest.mark.parametrize(
    "answer",
    [
        [(False,)],
        [(None,)],
        [(1,)],
        [("true",)],
        [],
        [(True,), (True,)],
        [(True, True)],
        psycopg.errors.UndefinedTable("no such table"),
    ],
)
def test_an_invariant_is_true_or_it_has_failed(answer: Any) -> None:
    assert not invariant(answer).result


def test_none_configured_says_so() -> None:
    server: Any = Server([])
    (found,) = checks.invariants(server, [])
    assert found.result
    assert found.detail == "no invariants configured"
