"""Puts back what a vault held at a moment before somebody overwrote or deleted it.

By reading the old version and storing it again: CopyObject of versitygw keeps the old time, by
which whoever looks for the newest would not find it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backup_service.progress import Progress
from backup_service.s3 import Vault, Version
from backup_service.settings import Settings, credentials
from backup_service.transfer import LISTS, rank

# The version it was made from, in the metadata of what was put back.
ORIGINAL = "rewound-from"


@dataclass(frozen=True)
class Damage:
    """One object that is not what it was. then, now: its versions."""

    then: Version
    now: Version


def main(settings: Settings, to: datetime, progress: Progress) -> dict[str, Any]:
    """`backup-service rewind`."""
    return rewind(Vault(settings.vault, credentials("vault")), to, progress)


def rewind(vault: Vault, to: datetime, progress: Progress) -> dict[str, Any]:
    """{"restored": objects put back, "left": objects first written after `to`, "bytes": put back}

    Safe to repeat: what has been put back is not again. Raises VaultError.
    """
    damaged: list[Damage] = []
    left = 0
    for history in histories(vault):
        found = judge(history, to)
        if found is None:
            left += 1
        elif found.then is not found.now and not _is_back(vault, found):
            damaged.append(found)
    # Lists of backups after the backups.
    damaged.sort(key=lambda each: rank(each.then.key))
    total = sum(each.then.size for each in damaged)
    done = 0
    progress.report("rewind", 0, total)
    for each in damaged:
        _put_back(vault, each.then, done, total, progress)
        done += each.then.size
    progress.report("rewind", total, total)
    return {"restored": len(damaged), "left": left, "bytes": total}


def histories(vault: Vault) -> Iterator[list[Version]]:
    """Each key's versions, newest first."""
    for _, found in itertools.groupby(vault.versions(""), key=lambda each: each.key):
        yield list(found)


def judge(history: list[Version], to: datetime) -> Damage | None:
    """What was current at `to`, and what is now: the same when nothing happened since.

    What there was not at that time is WAL that was archived since, and the like: written once, so
    its first version is the good one. None when that is all there is, or when it is a list, which
    is written again and again: that is left alone.
    """
    now = history[0]
    then = next((each for each in history if each.modified <= to), None)
    if then is None or then.marker:
        since = [each for each in history if each.modified > to and not each.marker]
        if since and (since == [now] or rank(now.key) == LISTS):
            return None
        then = since[-1] if since else then
    if then is None:
        return None
    if then.marker or (not now.marker and (then.etag, then.size) == (now.etag, now.size)):
        return Damage(now, now)
    return Damage(then, now)


def _is_back(vault: Vault, found: Damage) -> bool:
    """What is stored in parts may get another etag for the same content."""
    if found.now.marker or found.now.size != found.then.size:
        return False
    metadata = vault.metadata(found.then.key) or {}
    return metadata.get(ORIGINAL) == found.then.version_id


def _put_back(vault: Vault, version: Version, before: int, total: int, progress: Progress) -> None:
    with vault.open(version.key, version_id=version.version_id) as stream:
        vault.upload(
            version.key,
            stream,
            lambda done: progress.report("rewind", before + done, total),
            {ORIGINAL: version.version_id},
        )
