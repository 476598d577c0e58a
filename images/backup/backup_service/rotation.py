"""What is too old goes. In a vault that keeps versions it is only marked as deleted until its lock
has expired, so that whoever takes over this program's identity cannot make anything vanish.
"""

import datetime
from typing import Any

from backup_service import times
from backup_service.storage import Storage

# kind → folder in the vault. What pgBackRest keeps it rotates itself.
FOLDERS = {"logical": "logical", "redis": "redis"}
# Written last: a folder that has it is whole.
MANIFEST = "manifest.json"

RECORD_DAYS = 400
# pgBackRest keeps the full backup before the oldest that is young enough, which may be one
# interval of the schedule older. The canary's journal must reach back as far as one can restore.
CANARY_EXTRA_DAYS = 14

# At once, of each sort: a vault that was left alone for long is tidied over some days.
MOST_DELETED = 5000


def rotate(
    vault: Storage, kind: str, retention_days: int, now: datetime.datetime
) -> dict[str, Any]:
    """Deletes what is older than it need be. Raises the vault's own error.

    {"folders": [name, …], "records": count, "canary": count}
    """
    keep = datetime.timedelta(days=retention_days)
    canary = keep + datetime.timedelta(days=CANARY_EXTRA_DAYS)
    return {
        "folders": _folders(vault, f"{FOLDERS[kind]}/", now - keep),
        "records": _records(vault, now - datetime.timedelta(days=RECORD_DAYS)),
        "canary": _objects(vault, "canary/", f"{now - canary:canary/%Y/%m/%d/}"),
    }


def _folders(vault: Storage, prefix: str, before: datetime.datetime) -> list[str]:
    names = sorted(each.rstrip("/").rpartition("/")[2] for each in vault.folders(prefix))
    old = [name for name in names if _is_before(name, before)]
    if not old:
        return []
    # However old it is: where nothing newer is whole, it is all there is to restore from.
    newest_whole = next(
        (name for name in reversed(names) if _is_whole(vault, f"{prefix}{name}/")), None
    )
    gone = [name for name in old if name != newest_whole]
    for name in gone:
        keys = [each.key for each in vault.list(f"{prefix}{name}/")]
        # The manifest first: what is deleted half way must not look whole.
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            vault.delete(key)
    return gone


def _is_whole(vault: Storage, folder: str) -> bool:
    return any(each.key == folder + MANIFEST for each in vault.list(folder + MANIFEST))


def _is_before(name: str, moment: datetime.datetime) -> bool:
    try:
        return times.from_stamp(name) < moment
    except ValueError:
        # Not made by this program.
        return False


def _records(vault: Storage, before: datetime.datetime) -> int:
    prefixes = [
        each if each.startswith("records/") else f"records/{each}"
        for each in vault.folders("records/")
    ]
    return sum(
        _objects(vault, f"{each.rstrip('/')}/", f"{each.rstrip('/')}/{times.stamp(before)}")
        for each in prefixes
    )


def _objects(vault: Storage, prefix: str, before: str) -> int:
    """Deletes the objects whose keys, which begin with their time, sort before the one given."""
    old: list[str] = []
    for each in vault.list(prefix):
        if each.key >= before or len(old) >= MOST_DELETED:
            break
        old.append(each.key)
    for key in old:
        vault.delete(key)
    return len(old)
