"""What a run that was killed left behind: a server that goes on, files that fill the disk."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

QUIT_SECONDS = 10.0
# A process that fetches WAL ahead outlives its server a little and may still write into a folder.
REMOVE_SECONDS = 10.0


def end_server(data: Path) -> None:
    """Ends a PostgreSQL that still runs on this data directory; removes its lock file."""
    lock = data / "postmaster.pid"
    try:
        process = int(lock.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        lock.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + QUIT_SECONDS
    request = signal.SIGQUIT
    # By then the number may be another process's: a server's working directory is its data.
    while _works_in(process, data):
        if time.monotonic() > deadline:
            request = signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, request)
        time.sleep(0.2)
    lock.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Removes a folder in which servers may have run, with all below. Raises OSError."""
    for data in folder.glob("**/postmaster.pid"):
        end_server(data.parent)
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _works_in(process: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{process}/cwd").readlink() == folder.resolve()
    except OSError:
        return False
