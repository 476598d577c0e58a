"""A full backup that is wanted out of turn: written down, so that whoever asks need not wait.

DATA/wanted.json: {"full": time}: one is wanted that was begun at that time or later. It stays
there; once there is such a backup it says nothing any more.
"""

import datetime
from pathlib import Path

from backup_service import state, times

FILE = "wanted.json"


def want_full(data: Path, since: datetime.datetime | None = None) -> dict[str, str]:
    """Has the scheduler make a full backup unless one was begun since; None: from now on.

    {"full": ISO time}, as it is on disk. Raises OSError.
    """
    now = times.now()
    # No backup was begun in a time to come; and what is wanted already is not taken back.
    wishes = (min(since or now, now), full_since(data))
    document = {"full": times.iso(max(each for each in wishes if each is not None))}
    state.write(data / FILE, document)
    return document


def full_since(data: Path) -> datetime.datetime | None:
    """Since when a full backup must have been begun; None: none is wanted out of turn."""
    try:
        return times.parse((state.read(data / FILE) or {})["full"])
    except (KeyError, TypeError, ValueError):
        return None
