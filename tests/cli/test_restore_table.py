"""restore-table: what it writes into the running cluster, and what it refuses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from cli import restore_table as module
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError
from cli.restore_table import Table

DUMP = """\\restrict abc
SET statement_timeout = 0;
CREATE TABLE public.orders (id integer);
\\unrestrict abc
"""


@pytest.mark.parametrize(
    ("text", "table", "pattern"),
    [
        ("orders", Table("public", "orders"), '"public"."orders"'),
        ("shop.orders", Table("shop", "orders"), '"shop"."orders"'),
        ('a"b*', Table("public", 'a"b*'), '"public"."a""b*"'),
    ],
)
def test_a_table_is_named_as_it_is(text: str, table: Table, pattern: str) -> None:
    assert Table.parse(text) == table
    assert Table.parse(text).pattern == pattern


@pytest.mark.parametrize("text", ["", ".", "shop.", ".orders"])
def test_what_names_no_table_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no table"):
        Table.parse(text)


class Connection:
    """What psycopg offers of a connection. log: statements and rows, in order."""

    def __init__(self, tables: dict[str, int], rows: list[bytes]) -> None:
        self.tables = tables
        self.rows = rows
        self.log: list[str] = []
        self.fails_at = ""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.log.append("rolled back" if kind else "closed")

    def execute(self, query: Any, parameters: tuple[Any, ...] = ()) -> Any:
        text = self.text(query)
        if query == module.LOOK:
            oid = self.tables.get(parameters[1])
            return SimpleNamespace(fetchone=lambda: None if oid is None else (oid, 8192))
        if query == module.COLUMNS:
            columns = [("id", "integer", True), ("note", "character varying(9)", False)]
            return SimpleNamespace(fetchall=lambda: columns)
        if query == module.SEQUENCES:
            return SimpleNamespace(fetchall=lambda: [("public", "orders_id_seq")])
        if text.startswith("SELECT last_value"):
            return SimpleNamespace(fetchone=lambda: (41, True))
        self.log.append(f"{text} {parameters}" if parameters else text)
        if self.fails_at and self.fails_at in text:
            raise psycopg.errors.UndefinedTable("no such\n  type")
        return None

    @staticmethod
    def text(query: Any) -> str:
        if isinstance(query, sql.Composable):
            return query.as_string(None)
        return query.decode() if isinstance(query, bytes) else str(query)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        @contextmanager
        def copy(query: Any) -> Iterator[Any]:
            text = self.text(query)
            self.log.append(text)
            if "FROM STDIN" in text:
                yield SimpleNamespace(write=lambda piece: self.log.append(piece.decode()))
            else:
                yield iter(self.rows)

        yield SimpleNamespace(copy=copy, rowcount=2)

    def commit(self) -> None:
        self.log.append("commit")


@pytest.fixture
def side() -> Connection:
    return Connection({"orders": 16384}, [b"1\ta\n", b"2\tb\n"])


@pytest.fixture
def running() -> Connection:
    return Connection({}, [])


@pytest.fixture
def run(
    stack: Cluster,
    containers: dict[str, Any],
    side: Connection,
    running: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    stack.project.__dict__["configuration"] = {}
    containers["side-1"].answer = lambda command: (0, DUMP)

    def connect(**how: Any) -> Any:
        assert (how["user"], how["password"], how["sslmode"]) == ("user", "pa55", "verify-full")
        return {"5440": side, "5432": running}[how["port"]]

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)

    def go(*arguments: str) -> str:
        result = CliRunner().invoke(
            module.restore_table, list(arguments), standalone_mode=False, catch_exceptions=False
        )
        return result.stdout

    return go


SCRIPT = "SET statement_timeout = 0;\nCREATE TABLE public.orders (id integer);"


def test_a_table_that_is_gone_comes_back_with_all_that_belongs_to_it(
    run: Callable[..., str], running: Connection, containers: dict[str, Any]
) -> None:
    assert run("orders").startswith("orders: 2 rows (")
    assert running.log == [
        SCRIPT,
        'COPY "public"."orders" ("id", "note") FROM STDIN',
        "1\ta\n",
        "2\tb\n",
        'SELECT pg_catalog.setval(%s::regclass, %s, %s) (\'"public"."orders_id_seq"\', 41, True)',
        SCRIPT,
        # Others get this connection from the pool.
        "RESET ALL",
        "commit",
        "closed",
    ]
    sections = [command[4] for command in containers["side-1"].asked]
    assert sections == ["pre-data", "post-data"]
    assert containers["side-1"].asked[0][-3:] == [
        *("db_user_profile", "pre-data", '"public"."orders"'),
    ]


def test_a_table_that_is_there_is_never_written_into(
    run: Callable[..., str], running: Connection
) -> None:
    running.tables["orders"] = 7
    with pytest.raises(UserError, match="--as orders_restored"):
        run("orders")
    assert running.log == ["rolled back"]


def test_its_old_rows_can_be_had_beside_it(run: Callable[..., str], running: Connection) -> None:
    running.tables["orders"] = 7
    assert run("orders", "--as", "orders_before").startswith("orders_before: 2 rows")
    assert running.log == [
        'CREATE TABLE "public"."orders_before" '
        '("id" integer NOT NULL, "note" character varying(9))',
        'COPY "public"."orders_before" ("id", "note") FROM STDIN',
        "1\ta\n",
        "2\tb\n",
        "commit",
        "closed",
    ]


def test_the_copy_is_no_table_that_is_there_either(
    run: Callable[..., str], running: Connection
) -> None:
    running.tables["other"] = 7
    with pytest.raises(UserError, match="there is a table other in the running cluster"):
        run("orders", "--as", "other")


def test_a_table_there_was_not_is_refused(run: Callable[..., str], side: Connection) -> None:
    side.tables.clear()
    with pytest.raises(UserError, match="there was no table orders at that point"):
        run("orders")


def test_half_a_table_is_none(run: Callable[..., str], running: Connection) -> None:
    running.fails_at = "setval"
    with pytest.raises(OperationFailed, match=r"nothing was changed: no such type$"):
        run("orders")
    assert running.log[-1] == "rolled back"
    assert "commit" not in running.log


def test_a_dump_that_fails_shows_why(
    run: Callable[..., str], running: Connection, containers: dict[str, Any]
) -> None:
    containers["side-1"].answer = lambda command: (1, "")
    with pytest.raises(OperationFailed, match="pg_dump in side-1 does not tell how orders is made"):
        run("orders")
    assert "commit" not in running.log


def test_without_an_instance_beside_it_says_how_to_have_one(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: Any) -> Any:
        raise psycopg.OperationalError("connection refused\n  Is it running?")

    monkeypatch.setattr(psycopg, "connect", refuses)
    with pytest.raises(OperationFailed, match=r"restore --to POINT makes one\) lets nobody in"):
        run("orders")
