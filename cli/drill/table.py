"""The table a drill writes to: made by the application's owner, gone when the drill ends."""

import time
from collections.abc import Callable

import psycopg

from cli.drill.connection import Connect, brief

NAME = "selfmonitor_drill"

CREATE = f"""
CREATE TABLE IF NOT EXISTS {NAME} (
    run text,
    client int,
    seq bigint,
    written_at timestamptz DEFAULT clock_timestamp(),
    PRIMARY KEY (run, client, seq)
)"""
INSERT = f"INSERT INTO {NAME} (run, client, seq) VALUES (%s, %s, %s)"
SELECT = f"SELECT client, seq FROM {NAME} WHERE run = %s"
DROP = f"DROP TABLE IF EXISTS {NAME}"

STATEMENT_SECONDS = 30.0
"""More than any of these statements takes on a working cluster."""
RETRY_SECONDS = 0.5


def create(connect: Connect) -> None:
    """Makes the table, or keeps the one that a killed drill left. Raises psycopg.Error."""
    with brief(connect, STATEMENT_SECONDS) as connection:
        connection.execute(CREATE)


def drop(connect: Connect) -> None:
    """Drops the table. Raises psycopg.Error."""
    with brief(connect, STATEMENT_SECONDS) as connection:
        connection.execute(DROP)


def read_back(
    connect: Connect, run: str, within_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> list[tuple[int, int]]:
    """Every row of that run as (client, seq), in no particular order.

    Tries again on an error until the time is up, then raises the last psycopg.Error.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            with brief(connect, STATEMENT_SECONDS) as connection:
                rows: list[tuple[int, int]] = connection.execute(SELECT, (run,)).fetchall()
                return rows
        except psycopg.Error:
            if time.monotonic() >= deadline:
                raise
            sleep(RETRY_SECONDS)
