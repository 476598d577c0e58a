"""selfmonitor restore-table"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli import backup_inside
from cli.cluster import Cluster, open_cluster
from cli.containers import Container, execute
from cli.errors import OperationFailed, UserError
from cli.figures import size
from cli.psql import beside

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
# What pg_dump says of a table, through the socket of the instance beside, which lets its own user
# in without a password. It has the program of the server's version; this machine may have another.
DUMP = (
    'socket=$(find /var/lib/backup /run /tmp -maxdepth 4 -name ".s.PGSQL.*" -type s 2>/dev/null '
    '| head -n 1); [ -n "$socket" ] || { echo "the instance beside has no socket" >&2; exit 1; }; '
    'exec pg_dump --host "${socket%/*}" --port "${socket##*.}" --username postgres --no-password '
    '--schema-only --no-owner --section "$1" --table-and-children "$2" "$0"'
)
# These are psql's own, see pg_dump --restrict-key; there is no psql here.
PSQL_ONLY = ("\\restrict ", "\\unrestrict ")

LOOK = """
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
"""
COLUMNS = """
SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull
FROM pg_catalog.pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
SEQUENCES = """
SELECT n.nspname, s.relname
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE d.refobjid = %s AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  AND d.classid = 'pg_catalog.pg_class'::regclass
"""


@dataclass(frozen=True)
class Table:
    """A table's name in its schema."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Table":
        """“orders” or “shop.orders”, as it is, without quotes. Raises UserError."""
        schema, dot, name = text.rpartition(".")
        if not name or (dot and not schema):
            raise UserError(f"{text!r} is no table: give it as NAME or SCHEMA.NAME")
        return cls(schema or "public", name)

    def __str__(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def pattern(self) -> str:
        """As pg_dump takes it, nothing in it being a wildcard."""
        return ".".join('"{}"'.format(p.replace('"', '""')) for p in (self.schema, self.name))


@dataclass(frozen=True)
class Source:
    """The table beside. columns: (name, type, not null), generated ones left out."""

    table: Table
    oid: int
    bytes: int
    columns: tuple[tuple[str, str, bool], ...]


def _connect(info: dict[str, str], what: str) -> "psycopg.Connection[Any]":
    import psycopg

    arguments: dict[str, Any] = info
    try:
        return psycopg.connect(**arguments, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise OperationFailed(f"{what} lets nobody in: {' '.join(str(error).split())}") from None


def look(side: "psycopg.Connection[Any]", table: Table) -> Source:
    """Raises UserError when the instance beside has no such table."""
    row = side.execute(LOOK, (table.schema, table.name)).fetchone()
    if row is None:
        raise UserError(
            f"there was no table {table} at that point: ./selfmonitor psql --side -c '\\dt *.*'"
        )
    columns = side.execute(COLUMNS, (row[0],)).fetchall()
    return Source(table, row[0], int(row[1]), tuple(tuple(c) for c in columns))


def dumped(container: Container, database: str, table: Table, section: str) -> str:
    """SQL that makes the table (pre-data) or its indexes and constraints (post-data)."""
    command = ["/bin/sh", "-c", DUMP, database, section, table.pattern]
    result = execute(container, command, demux=True)
    said, complaint = (part or b"" for part in result.output)
    if result.exit_code:
        raise OperationFailed(
            f"pg_dump in {container.member} does not tell how {table} is made",
            tuple(complaint.decode(errors="replace").splitlines()[-5:]),
        )
    lines = said.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(PSQL_ONLY))


class _Copy:
    """From beside into the running cluster, all in one transaction there."""

    def __init__(
        self, side: "psycopg.Connection[Any]", cluster: "psycopg.Connection[Any]", source: Source
    ) -> None:
        self._side = side
        self._cluster = cluster
        self._source = source

    def make_like(self, target: Table) -> None:
        """A table with the same columns and types, and no more."""
        from psycopg import sql

        columns = sql.SQL(", ").join(
            sql.SQL("{} {}{}").format(
                sql.Identifier(name),
                sql.SQL(kind),
                sql.SQL(" NOT NULL" if must else ""),
            )
            for name, kind, must in self._source.columns
        )
        self._cluster.execute(sql.SQL("CREATE TABLE {} ({})").format(_named(target), columns))

    def run_script(self, text: str) -> None:
        """Statements as pg_dump writes them."""
        self._cluster.execute(text.encode())

    def rows(self, target: Table, title: str) -> int:
        """Every row; how many."""
        from psycopg import sql

        from cli.progress import Bytes

        names = sql.SQL(", ").join(sql.Identifier(column[0]) for column in self._source.columns)
        query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
            names, _named(self._source.table)
        )
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(_named(target), names)
        done = 0
        with self._side.cursor() as reader, self._cluster.cursor() as writer:
            with Bytes(title) as progress, reader.copy(query) as out, writer.copy(into) as back:
                for piece in out:
                    back.write(piece)
                    done += len(piece)
                    # The text of rows is not their size on disk: how much is left nobody knows.
                    progress("rows", done, None)
            return writer.rowcount

    def sequences(self) -> None:
        """Numbers go on where they were."""
        from psycopg import sql

        for schema, name in self._side.execute(SEQUENCES, (self._source.oid,)).fetchall():
            sequence = sql.Identifier(schema, name)
            found = self._side.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(sequence)
            ).fetchone()
            if found is not None:
                self._cluster.execute(
                    "SELECT pg_catalog.setval(%s::regclass, %s, %s)",
                    (sequence.as_string(None), *found),
                )


def _named(table: Table) -> Any:
    from psycopg import sql

    return sql.Identifier(table.schema, table.name)


def copy_table(
    cluster: Cluster, table: Table, target: Table | None, database: str | None
) -> tuple[Table, int]:
    """Copies a table from beside; returns what it is called now, and how many rows it has.

    Raises UserError when it would have to write into a table that is there.
    """
    import psycopg

    container = backup_inside.find(cluster, "side")
    info = beside(cluster, database)
    with ExitStack() as stack:
        what = "the instance beside (./selfmonitor restore --to POINT makes one)"
        side = stack.enter_context(_connect(info, what))
        source = look(side, table)
        running = stack.enter_context(_connect(cluster.conninfo(database), "the router"))
        into = target or table
        if running.execute(LOOK, (into.schema, into.name)).fetchone() is not None:
            raise UserError(
                f"there is a table {into} in the running cluster, and nothing is written over it: "
                f"--as NAME copies what was restored beside it, e.g. --as {table.name}_restored"
            )
        copy = _Copy(side, running, source)
        try:
            if target is None:
                before = dumped(container, info["dbname"], table, "pre-data")
                after = dumped(container, info["dbname"], table, "post-data")
                copy.run_script(before)
                rows = copy.rows(into, f"{table}, {size(source.bytes)} on disk")
                copy.sequences()
                copy.run_script(after)
                # What the script set would stay behind in a connection that others get next.
                running.execute("RESET ALL")
            else:
                copy.make_like(target)
                rows = copy.rows(into, f"{table}, {size(source.bytes)} on disk")
            running.commit()
        except psycopg.Error as error:
            raise OperationFailed(
                f"{table} was not copied, nothing was changed: {' '.join(str(error).split())}"
            ) from None
    return into, rows


@click.command(name="restore-table")
@click.argument("table")
@click.option("--as", "name", metavar="NAME", help="Call the copy that: for a table that is there.")
@click.option("--database", help="One of the stack's databases; the first by default.")
@click.pass_context
def restore_table(
    context: click.Context, table: str, name: str | None, database: str | None
) -> None:
    """Copy a table from what `restore` made beside the cluster into the running cluster.

    TABLE is NAME or SCHEMA.NAME. One that is gone comes back with indexes, constraints and
    sequences; of one that is there a second table is made, with --as, of columns and rows alone.
    All of it or nothing; never into a table that is there.
    """
    begun = time.monotonic()
    source = Table.parse(table)
    target = Table.parse(name) if name is not None else None
    if target is not None and "." not in (name or ""):
        target = Table(source.schema, target.name)
    into, rows = copy_table(open_cluster(context), source, target, database)
    click.echo(f"{into}: {rows} rows ({time.monotonic() - begun:.1f} s)")
