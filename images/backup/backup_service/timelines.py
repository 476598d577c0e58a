"""Which backups lie on the way to a timeline, and when each of its ancestors was left."""

from collections.abc import Iterable, Mapping
from typing import Any

from backup_service import pgbackrest
from backup_service.damage import explain
from backup_service.pgbackrest import PgBackRestError
from backup_service.recover import RecoverFailed
from backup_service.segments import lsn_bytes, timeline_of


def history(stanza: str, archive_id: str, timeline: int) -> str:
    """The text of a timeline's history file in the repository. Raises RecoverFailed."""
    name = f"archive/{stanza}/{archive_id}/{timeline:08X}.history"
    try:
        return pgbackrest.run("repo-get", name, stanza=stanza)
    except PgBackRestError as error:
        raise RecoverFailed(explain(str(error))) from None


def switches(history: str) -> list[tuple[int, int]]:
    """(timeline, LSN in bytes at which it was left) of a timeline's ancestors, oldest first.

    A recovery that followed a timeline and ended before that one began writes the LSN of its end
    behind it all the same; what was left later according to an older line was in truth left there.
    """
    lines = (line.split() for line in history.splitlines() if line.strip()[:1].isdigit())
    found = [(int(fields[0]), lsn_bytes(fields[1])) for fields in lines]
    left: list[tuple[int, int]] = []
    for timeline, lsn in reversed(found):
        left.insert(0, (timeline, min([lsn, *(later for _, later in left[:1])])))
    return left


def on_the_way(
    backups: Iterable[Mapping[str, Any]], timeline: int, ancestors: Iterable[tuple[int, int]]
) -> list[Mapping[str, Any]]:
    """The backups, as `pgbackrest info` lists them, from which the timeline can be reached.

    ancestors: as `switches` has them. A backup that ended on another branch, or after the point at
    which its timeline was left, cannot be replayed to it.
    """
    left = dict(ancestors)

    def reaches(backup: Mapping[str, Any]) -> bool:
        on = timeline_of(backup["archive"]["stop"])
        return on == timeline or (on in left and lsn_bytes(backup["lsn"]["stop"]) <= left[on])

    return [each for each in backups if reaches(each)]


def usable(
    repository: Mapping[str, Any], stanza: str, archive_max: str, timeline: int | None = None
) -> list[Mapping[str, Any]]:
    """The backups of the newest database from which a timeline can be reached, oldest first.

    repository: the stanza's entry of `info`. timeline: none, that of the newest segment.
    Raises RecoverFailed: that timeline has no history.
    """
    newest = max((each["database"]["id"] for each in repository["backup"]), default=None)
    backups = [each for each in repository["backup"] if each["database"]["id"] == newest]
    follow = timeline or timeline_of(archive_max)
    if follow > 1 and backups:
        ancestors = switches(history(stanza, archive_id(repository, newest), follow))
        backups = on_the_way(backups, follow, ancestors)
    return sorted(backups, key=lambda each: float(each["timestamp"]["stop"]))


def archive_id(repository: Mapping[str, Any], database: int | None) -> str:
    """The name of a database's archive in the repository, such as 17-1."""
    found = repository["archive"]
    return next(str(each["id"]) for each in found if each["database"]["id"] == database)
