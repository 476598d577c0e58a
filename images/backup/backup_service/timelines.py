"""Which backups lie on the way to a timeline, and when each of its ancestors was left."""

from collections.abc import Iterable, Mapping
from typing import Any

from backup_service import pgbackrest
from backup_service.segments import lsn_bytes, segment_number


def history(stanza: str, archive_id: str, timeline: int) -> str:
    """The text of a timeline's history file in the repository. Raises PgBackRestError."""
    name = f"archive/{stanza}/{archive_id}/{timeline:08X}.history"
    return pgbackrest.run("repo-get", name, stanza=stanza)


def switches(history: str) -> list[tuple[int, int]]:
    """(timeline, LSN in bytes at which it was left) of a timeline's ancestors, oldest first."""
    lines = (line.split() for line in history.splitlines() if line.strip()[:1].isdigit())
    return [(int(fields[0]), lsn_bytes(fields[1])) for fields in lines]


def on_the_way(
    backups: Iterable[Mapping[str, Any]], timeline: int, ancestors: Iterable[tuple[int, int]]
) -> list[Mapping[str, Any]]:
    """The backups, as `pgbackrest info` lists them, from which the timeline can be reached.

    ancestors: as `switches` has them. A backup that ended on another branch, or after the point at
    which its timeline was left, cannot be replayed to it.
    """
    left = dict(ancestors)

    def reaches(backup: Mapping[str, Any]) -> bool:
        on, _ = segment_number(backup["archive"]["stop"])
        return on == timeline or (on in left and lsn_bytes(backup["lsn"]["stop"]) <= left[on])

    return [each for each in backups if reaches(each)]
