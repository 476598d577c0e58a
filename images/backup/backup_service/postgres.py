"""How this service reaches PostgreSQL: as role backup, verified both ways, bounded in time."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import psycopg

from backup_service import errors
from backup_service.settings import FILES, Settings

ROLE = "backup"
# The service's own: the canary table, and the functions it may call.
DATABASE = "selfmonitor"

Session = Literal["primary", "prefer-standby"]

# One host; several are tried one after the other.
CONNECT_SECONDS = 3
# What the other end has to confirm within this time, or the connection is dead.
SILENT_MILLISECONDS = 10_000


def parameters(
    settings: Settings,
    database: str = DATABASE,
    session: Session = "primary",
    files: Path = FILES,
) -> dict[str, str | int]:
    """Connection parameters of libpq but the password."""
    members = settings.postgres.members
    return {
        "host": ",".join(members),
        "port": ",".join([str(settings.postgres.port)] * len(members)),
        "dbname": database,
        "user": ROLE,
        "sslmode": "verify-full",
        "sslrootcert": str(files / "ca.crt"),
        "sslcert": str(files / "tls.crt"),
        "sslkey": str(files / "tls.key"),
        "target_session_attrs": session,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": SILENT_MILLISECONDS,
        "application_name": "backup",
    }


def password(files: Path = FILES) -> str:
    return (files / "postgres.password").read_text(encoding="utf-8").strip()


def connect(
    settings: Settings,
    database: str = DATABASE,
    session: Session = "primary",
    files: Path = FILES,
    **options: int,
) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in autocommit. options: settings of the session, such as lock_timeout in ms.

    Raises psycopg.Error, OSError.
    """
    return psycopg.connect(
        **parameters(settings, database, session, files),  # type: ignore[arg-type]
        password=password(files),
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        autocommit=True,
    )


@contextlib.contextmanager
def bounded(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cuts the connection off if the block takes longer, which then raises OperationalError.

    The server cannot be asked to do this: a commit that waits for a standby, once cancelled,
    reports success without one, and a server that is frozen cancels nothing.
    """
    # A duplicate: the connection may be closed, and its number be another's, when time is up.
    with socket.socket(fileno=os.dup(connection.fileno())) as way:
        late = threading.Event()
        timer = threading.Timer(seconds, _cut, [way, late])
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.OperationalError:
            if late.is_set():
                raise psycopg.OperationalError(
                    f"{connection.info.host} did not answer or confirm within {seconds:g} s"
                ) from None
            raise
        finally:
            timer.cancel()
            timer.join()


def _cut(way: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        way.shutdown(socket.SHUT_RDWR)


def one_line(error: BaseException) -> str:
    """An error's text without line ends: libpq's have one line a host."""
    return errors.one_line(str(error)) or type(error).__name__
