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
LOOK_SECONDS = 0.1


def end_server(data: Path) -> None:
    """Ends a PostgreSQL that still runs on this data directory; removes its lock file."""
    lock = data / "postmaster.pid"
    try:
        process = int(lock.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        lock.unlink(missing_ok=True)
        return
    # By now the number may be another process's: a server's working directory is its data.
    if _works_in(process, data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGQUIT)
        deadline = time.monotonic() + QUIT_SECONDS
        while _works_in(process, data) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        end_group(process)
    lock.unlink(missing_ok=True)


def end_group(group: int) -> None:
    """Kills a process group of this program's own and waits until its memory is given back.

    A server's next start on the same directory refuses while a process of the last one holds on.
    """
    deadline = time.monotonic() + QUIT_SECONDS
    while _lives(group) and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


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
        time.sleep(LOOK_SECONDS)


def _lives(group: int) -> bool:
    """Whether any process of the group does more than wait to be buried."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (name) state ppid pgrp …; a name may hold anything.
            state, _, found = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(found) == group and state != "Z":
                return True
    return False


def _works_in(process: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{process}/cwd").readlink() == folder.resolve()
    except OSError:
        return False
