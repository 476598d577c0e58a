"""The side instance: the database as it was, restored beside the running one to look into.

Its files are in DATA/side; side_server keeps it running.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backup_service import jobs, leftover, pgbackrest, recover, timelines, times, window
from backup_service.errors import WrongInput
from backup_service.progress import Progress
from backup_service.recover import NotReached, Target
from backup_service.restore_test import SECOND, SPACE_FACTOR
from backup_service.settings import DATA, Settings
from backup_service.side_server import serve
from backup_service.side_state import (
    FAILED,
    LOCK,
    NONE,
    RUNNING,
    STARTING,
    place,
    tidy,
    told,
    want,
    wanted,
)
from backup_service.storage import Storage
from backup_service.throwaway import BIN, Throwaway
from backup_service.window import Window

__all__ = ["drop", "restore", "serve", "state"]

# The server looks twice a second; a stop may take a minute, a start some seconds.
SERVED_SECONDS = 120.0
LOOK_SECONDS = 0.5

_DATABASES = """
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""


class SideFailed(Exception):
    """One line: what failed, and what to do."""


def restore(
    settings: Settings,
    text: str,
    timeline: int | None,
    progress: Progress,
    *,
    data: Path = DATA,
    bin_dir: Path = BIN,
    vault: Storage | None = None,
) -> dict[str, Any]:
    """Restores to `text` (see recover.parse); the side instance that was there goes.

    {"target", "point": time of the last commit in it, "timeline", "lsn", "databases": [name],
     "backup": label, "bytes", "seconds", "port"}
    Raises WrongInput (the window is in its text), RecoverFailed, SideFailed, AlreadyRunning, and
    what the vault raises. Until it has succeeded the old one stays.
    """
    if settings.side is None:
        raise WrongInput("this stack has no side instance")
    began = time.monotonic()
    target = recover.parse(text, times.now())
    with jobs.locked(LOCK, data):
        place(data).mkdir(mode=0o700, parents=True, exist_ok=True)
        tidy(data)
        found = window.find(settings, vault or jobs.open_vault(settings))
        check_target(target, found)
        repository = pgbackrest.repository(settings.stanza)
        backups = _candidates(settings.stanza, target, timeline, repository, found)
        _check_space(data, backups[0]["info"]["size"])
        folder = f"{times.stamp(times.now())}-{secrets.token_hex(3)}"
        try:
            document = _restore(
                settings.stanza, target, timeline, backups, place(data) / folder, bin_dir, progress
            )
        except BaseException:
            with contextlib.suppress(OSError):
                leftover.remove(place(data) / folder)
            raise
        document |= {
            "seconds": round(time.monotonic() - began, 3),
            "port": settings.side.port,
        }
        want(data, {"state": RUNNING, "folder": folder, **document})
        _await(data, folder)
        tidy(data)
    return document


def check(settings: Settings, text: str, *, vault: Storage | None = None) -> dict[str, Any]:
    """Whether one can restore to `text`: {"kind", "value", "window"}, and nothing is changed.

    Raises WrongInput (the window is in its text), and what the vault raises.
    """
    target = recover.parse(text, times.now())
    found = window.find(settings, vault or jobs.open_vault(settings))
    check_target(target, found)
    return {"kind": target.kind, "value": target.value, "window": found.document()}


def drop(settings: Settings, *, data: Path = DATA) -> dict[str, Any]:
    """Removes the side instance: {"dropped": whether there was one}. Raises AlreadyRunning."""
    with jobs.locked(LOCK, data):
        there = wanted(data) is not None and (wanted(data) or {}).get("folder") is not None
        if place(data).exists():
            want(data, {"state": NONE, "folder": None})
            _await(data, None)
            tidy(data)
    return {"dropped": there}


def state(settings: Settings, *, data: Path = DATA) -> dict[str, Any]:
    """What `restore` returned, and {"state": "none" | "starting" | "running" | "failed",
    "message": str | None, "bytes": on disk now}.
    """
    found = wanted(data) or {}
    folder = found.pop("folder", None)
    if folder is None:
        return {"state": NONE, "message": None}
    now = told(data)
    same = now["folder"] == folder
    return {
        **found,
        "state": now["state"] if same else STARTING,
        "message": now["message"] if same else None,
        "bytes": recover.size(place(data) / folder / "data"),
    }


def check_target(target: Target, found: Window) -> None:
    """Refuses what cannot be reached. Raises WrongInput, whose text has the window."""
    span = f"{times.iso(found.begin)} to {times.iso(found.end)}"
    if target.kind != recover.TIME:
        return
    # A backup's end is known to the second only.
    if target.time < found.begin + SECOND:
        raise WrongInput(f"{target} is before the recoverable window, {span}")
    if target.time > found.end:
        raise WrongInput(
            f"{target} is after the recoverable window, {span}: later WAL is not in the vault yet; "
            "`switch-wal` brings it there"
        )


def _candidates(
    stanza: str,
    target: Target,
    timeline: int | None,
    repository: Mapping[str, Any],
    found: Window,
) -> list[Mapping[str, Any]]:
    """Backups from which the target can be reached, the best first; at least one."""
    backups = timelines.usable(repository, stanza, found.archive_max, timeline)
    labels = recover.backups_for(target, backups)
    if not labels:
        raise WrongInput(
            f"no backup leads to {target} on timeline {timeline or 'latest'}; the recoverable "
            f"window is {times.iso(found.begin)} to {times.iso(found.end)}"
        )
    by_label = {each["label"]: each for each in backups}
    return [by_label[label] for label in labels]


def _check_space(data: Path, size: int) -> None:
    needed, free = int(size * SPACE_FACTOR), shutil.disk_usage(data).free
    if free < needed:
        raise SideFailed(
            f"the side instance's volume has {free} bytes free, {needed} are needed: "
            "drop the one that is there, or give it more room"
        )


def _restore(
    stanza: str,
    target: Target,
    timeline: int | None,
    backups: Sequence[Mapping[str, Any]],
    folder: Path,
    bin_dir: Path,
    progress: Progress,
) -> dict[str, Any]:
    # Where a restore point lies is known once it was met: before the newest backup, maybe.
    attempts = backups if target.kind == recover.NAME else backups[:1]
    for number, backup in enumerate(attempts, 1):
        leftover.remove(folder)
        restored = recover.restore_files(
            target,
            folder / "data",
            progress,
            stanza=stanza,
            set_label=backup["label"],
            timeline=timeline,
            total=backup["info"]["size"],
        )
        with Throwaway(folder / "data", bin_dir=bin_dir, durable=True) as server:
            try:
                reached = server.start("promote", progress)
            except NotReached as error:
                if number < len(attempts):
                    continue
                raise _not_there(target, error) from None
            return {
                "target": str(target),
                "point": times.iso(reached.time) if reached.time else None,
                "timeline": reached.timeline,
                "lsn": reached.lsn,
                "databases": _databases(server),
                "backup": backup["label"],
                "bytes": restored.bytes,
            }
    raise AssertionError("there is at least one backup")


def _not_there(target: Target, error: NotReached) -> Exception:
    if target.kind == recover.NAME:
        return WrongInput(f"no restore point {target} is in the archive")
    if target.kind == recover.LSN:
        return WrongInput(f"{target} is not in the archive yet: `switch-wal` brings it there")
    return error


def _databases(server: Throwaway) -> list[str]:
    with server.connect() as connection:
        return [str(name) for (name,) in connection.execute(_DATABASES)]


def _await(data: Path, folder: str | None) -> None:
    """Until the server has taken up what is wanted. Raises SideFailed."""
    deadline = time.monotonic() + SERVED_SECONDS
    expected = RUNNING if folder else NONE
    while True:
        now = told(data)
        if now["folder"] == folder and now["state"] == expected:
            return
        if now["folder"] == folder and now["state"] == FAILED:
            raise SideFailed(f"what was restored does not start: {now['message']}")
        if time.monotonic() > deadline:
            raise SideFailed(
                f"the side instance was not taken up within {SERVED_SECONDS:.0f} s: "
                "see the container's log"
            )
        time.sleep(LOOK_SECONDS)
