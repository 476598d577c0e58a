"""What there is to restore from, and how far it is proven: for `list`, `info` and `records`."""

import datetime
from pathlib import Path
from typing import Any

from backup_service import backups, pgbackrest, state, times, window
from backup_service.errors import describe
from backup_service.records import OK, PREFIX, Record, Records, newest_in_vault
from backup_service.rotation import FOLDERS, MANIFEST
from backup_service.settings import Settings
from backup_service.storage import Storage

RESTORE_TEST = "restore-test"


def listed(settings: Settings, vault: Storage) -> list[dict[str, Any]]:
    """Every backup that is in the vault, newest first.

    {"kind": "full" | "differential" | "logical" | "redis", "label", "started", "ended": ISO 8601 |
    None, "bytes": of the database, or stored where that is all there is, "repo_bytes": stored,
    "result": "ok" | "failed" | "interrupted", "verified": as in a record}
    Raises PgBackRestError or the vault's own error.
    """
    found = [_physical(each) for each in pgbackrest.repository(settings.stanza)["backup"]]
    for kind, folder in FOLDERS.items():
        found += _folders(vault, kind, f"{folder}/")
    return sorted(found, key=lambda each: str(each["started"]), reverse=True)


# What pgBackRest calls them.
KINDS = {"full": "full", "diff": "differential", "incr": "incremental"}


def _physical(backup: dict[str, Any]) -> dict[str, Any]:
    found = backups.describe(backup)
    sound = found["page_errors"] is False
    detail = "checked when it was taken"
    return {
        "kind": KINDS.get(found["type"], found["type"]),
        "label": found["label"],
        "started": found["start"],
        "ended": found["stop"],
        "bytes": found["bytes"],
        "repo_bytes": found["repo_bytes"],
        "result": "ok" if sound else "failed",
        "verified": [{"what": "page checksums", "result": sound, "detail": detail}],
    }


def _folders(vault: Storage, kind: str, prefix: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for folder in vault.folders(prefix):
        name = folder.rstrip("/").rpartition("/")[2]
        try:
            start = times.from_stamp(name)
        except ValueError:
            continue
        objects = list(vault.list(f"{prefix}{name}/"))
        stored = sum(each.size for each in objects)
        # Written last.
        manifest = [each for each in objects if each.key == f"{prefix}{name}/{MANIFEST}"]
        found.append(
            {
                "kind": kind,
                "label": name,
                "started": times.iso(start),
                "ended": times.iso(manifest[0].modified) if manifest else None,
                "bytes": stored,
                "repo_bytes": stored,
                "result": "ok" if manifest else "interrupted",
                "verified": [],
            }
        )
    return found


def info(settings: Settings, vault: Storage, data: Path) -> dict[str, Any]:
    """{"window": {"begin", "end", …} | None, "message": why there is none | None,
    "backups": [of pgBackRest, oldest first], "newest_verified": {"time", "age_seconds", "point"} |
    None, "last_verification": {"time", "result", "error"} | None, "archiver": … | None,
    "copy": … | None, "errors": [what could not be looked at, one line each]}
    """
    found: dict[str, Any] = {"window": None, "message": None, "backups": [], "errors": []}
    try:
        found["backups"] = [
            backups.describe(each) for each in pgbackrest.repository(settings.stanza)["backup"]
        ]
        found["window"] = window.find(settings, vault).document()
    except window.NoWindow as error:
        found["message"] = describe(error)
    except Exception as error:  # noqa: BLE001 - what can be told is told
        found["message"] = describe(error)
        found["errors"].append(describe(error))
    tests, errors = _records_of(RESTORE_TEST, vault, Records(data))
    found["errors"] += errors
    found["newest_verified"] = _newest_verified(tests, times.now())
    found["last_verification"] = _last_verification(tests)
    return {**found, **{name: state.read(data / f"{name}.json") for name in ("archiver", "copy")}}


def _newest_verified(tests: list[Record], now: datetime.datetime) -> dict[str, Any] | None:
    for record in reversed(tests):
        if record.result == OK and record.ended is not None:
            return {
                "time": times.iso(record.ended),
                "age_seconds": round((now - record.ended).total_seconds()),
                "point": record.details.get("point"),
            }
    return None


def _last_verification(tests: list[Record]) -> dict[str, Any] | None:
    ended = [record for record in tests if record.ended is not None]
    if not ended or ended[-1].ended is None:
        return None
    last = ended[-1]
    return {"time": times.iso(ended[-1].ended), "result": last.result, "error": last.error}


def records(vault: Storage, data: Path, kind: str | None) -> tuple[list[Record], list[str]]:
    """This container's records and, of the vault's, the newest of each kind; oldest first.

    With what could not be read, one line each: then it is this container's alone.
    """
    own = Records(data)
    kinds, errors = {kind} if kind else {each.kind for each in own.all()}, []
    if kind is None:
        try:
            kinds |= {each.rstrip("/").rpartition("/")[2] for each in vault.folders(f"{PREFIX}/")}
        except Exception as error:  # noqa: BLE001 - what is here is told
            errors.append(describe(error))
    found: list[Record] = []
    for each in sorted(kinds):
        of_kind, wrong = _records_of(each, vault, own)
        found += of_kind
        errors += [line for line in wrong if line not in errors]
    return sorted(found, key=lambda each: (each.started, each.id)), errors


def _records_of(kind: str, vault: Storage, own: Records) -> tuple[list[Record], list[str]]:
    found, errors = {}, []
    try:
        found = {each.id: each for each in newest_in_vault(vault, kind)}
    except Exception as error:  # noqa: BLE001 - what is here is told
        errors.append(describe(error))
    found |= {each.id: each for each in own.all(kind)}
    return sorted(found.values(), key=lambda each: (each.started, each.id)), errors
