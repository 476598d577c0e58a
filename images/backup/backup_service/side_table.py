"""One table of the side instance as SQL, under a schema of its own, for the running database."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from backup_service import jobs
from backup_service.errors import WrongInput, one_line
from backup_service.settings import DATA, Settings
from backup_service.side import SideFailed
from backup_service.side_state import LOCK, RUNNING, place, told, wanted
from backup_service.throwaway import BIN, SUPERUSER

CONNECT_SECONDS = 5
LOCK_SECONDS = 10
COMPLAINT_BYTES = 4096
_FORMAT = ("--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-password")

# What ties the copy to tables and functions of the running database, which have gone on since.
_LEFT_OUT = re.compile(
    r"\d+; \d+ \d+ (?:FK CONSTRAINT|TRIGGER|PUBLICATION TABLE|COMMENT - SCHEMA"
    r"|COMMENT \S+ (?:CONSTRAINT|TRIGGER)) "
)
_NOTE = "moved here by side dump-table: "
_MOVED = """
SELECT nspname, description FROM pg_namespace
JOIN pg_description ON objoid = pg_namespace.oid AND classoid = 'pg_namespace'::regclass
WHERE description LIKE %s
"""
# The table itself and what it is partitioned into.
_PARTS = """
SELECT namespace.nspname, part.relname
FROM pg_partition_tree(%(table)s::regclass) AS tree
JOIN pg_class AS part ON part.oid = tree.relid
JOIN pg_namespace AS namespace ON namespace.oid = part.relnamespace
UNION SELECT namespace.nspname, part.relname FROM pg_class AS part
JOIN pg_namespace AS namespace ON namespace.oid = part.relnamespace
WHERE part.oid = %(table)s::regclass
"""


def dump_table(
    settings: Settings,
    database: str,
    schema: str,
    table: str,
    into_schema: str,
    *,
    data: Path = DATA,
    bin_dir: Path = BIN,
    output: IO[bytes] | None = None,
) -> int:
    """Writes SQL that makes `into_schema` with the table, its data, indexes and own sequences.

    Foreign keys and triggers are left out: they would tie the copy to what has changed since. To
    standard output, unless `output` is given. Raises WrongInput: no such table, or the schema is
    there; SideFailed; AlreadyRunning.
    """
    import psycopg

    with jobs.locked(LOCK, data):
        found, now = wanted(data) or {}, told(data)
        if now["state"] != RUNNING or now["folder"] != found.get("folder") or not settings.side:
            raise SideFailed("there is no side instance running: restore one first")
        folder = place(data) / str(found["folder"])
        try:
            with (
                _connect(folder, settings.side.port, database) as connection,
                _moved(connection, schema, table, into_schema),
                tempfile.NamedTemporaryFile(dir=folder) as archive,
            ):
                pg_dump = [
                    *(str(bin_dir / "pg_dump"), f"--host={folder / 'socket'}"),
                    *(f"--port={settings.side.port}", f"--username={SUPERUSER}"),
                    f"--dbname={_conninfo(database)}",
                ]
                pg_restore = str(bin_dir / "pg_restore")
                _sql(pg_dump, pg_restore, into_schema, archive, output or sys.stdout.buffer)
        except psycopg.Error as error:
            raise SideFailed(f"{schema}.{table}: {one_line(str(error))}") from None
    return 0


def _conninfo(database: str) -> str:
    """So that no name is taken for a connection string."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(dbname=database)


def _connect(folder: Path, port: int, database: str) -> Any:
    import psycopg

    return psycopg.connect(
        host=str(folder / "socket"),
        port=port,
        user=SUPERUSER,
        dbname=database,
        connect_timeout=CONNECT_SECONDS,
        options=f"-c lock_timeout={LOCK_SECONDS}s",
        autocommit=True,
    )


@contextlib.contextmanager
def _moved(connection: Any, schema: str, table: str, into: str) -> Iterator[None]:
    """The table, with all that belongs to it, is in `into` for as long as the block runs."""
    from psycopg import sql

    def name(*parts: str) -> str:
        return sql.Identifier(*parts).as_string(connection)

    _move_back(connection)
    if connection.execute("SELECT to_regnamespace(%s)", [name(into)]).fetchone()[0]:
        raise WrongInput(f"schema {into} is there already: choose another name")
    if not connection.execute("SELECT to_regclass(%s)", [name(schema, table)]).fetchone()[0]:
        raise WrongInput(f"there is no table {schema}.{table} at this point")
    with connection.transaction():
        parts = connection.execute(_PARTS, {"table": name(schema, table)}).fetchall()
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(into)))
        # Whoever comes after a run that was killed here finds the way back.
        note = sql.Literal(_NOTE + json.dumps(parts))
        connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(into), note))
        for old, part in parts:
            _set_schema(connection, old, part, into)
    try:
        yield
    finally:
        _move_back(connection)


def _move_back(connection: Any) -> None:
    """Undoes every move there is."""
    from psycopg import sql

    for into, note in connection.execute(_MOVED, [_NOTE + "%"]).fetchall():
        with connection.transaction():
            for old, part in json.loads(note.removeprefix(_NOTE)):
                _set_schema(connection, into, part, old)
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(into)))


def _set_schema(connection: Any, schema: str, table: str, into: str) -> None:
    from psycopg import sql

    connection.execute(
        sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
            sql.Identifier(schema, table), sql.Identifier(into)
        )
    )


def _sql(
    pg_dump: list[str], pg_restore: str, into: str, archive: IO[bytes], output: IO[bytes]
) -> None:
    """Dumps the schema `into` and writes what is wanted of it as SQL."""
    # Quotes: a pattern otherwise.
    pattern = '"' + into.replace('"', '""') + '"'
    _tool([*pg_dump, *_FORMAT, f"--schema={pattern}", f"--file={archive.name}"])
    listed = _tool([pg_restore, "--list", archive.name])
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as kept:
        kept.writelines(
            line + "\n" for line in listed.decode().splitlines() if not _LEFT_OUT.match(line)
        )
        kept.flush()
        options = ["--no-owner", "--no-privileges", f"--use-list={kept.name}", "--file=-"]
        _tool([pg_restore, *options, archive.name], output)


def _tool(command: list[str], output: IO[bytes] | None = None) -> bytes:
    """What it printed, unless that goes to `output`."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"LC_ALL": "C"},
        )
        assert process.stdout is not None
        try:
            if output is None:
                printed = process.stdout.read()
            else:
                printed = b""
                shutil.copyfileobj(process.stdout, output)
                output.flush()
        finally:
            process.stdout.close()
            # Nobody reads any more: it ends at its next write.
            process.wait()
        complaints.seek(0)
        if process.returncode:
            said = one_line(complaints.read(COMPLAINT_BYTES).decode(errors="replace"))
            raise SideFailed(f"{Path(command[0]).name} failed: {said}")
    return printed
