"""The jobs `full` and `differential`: a backup by pgBackRest, and what it says about it."""

from typing import TYPE_CHECKING, Any

from backup_service import pgbackrest, times
from backup_service.pgbackrest import PgBackRestError

if TYPE_CHECKING:
    from backup_service.jobs import JobContext, Outcome


def full(context: "JobContext") -> "Outcome":
    """Everything, whatever was taken before. What has expired goes with it."""
    return _take(context, "full")


def differential(context: "JobContext") -> "Outcome":
    """What has changed since the last full one; a full one where there is none."""
    return _take(context, "diff")


def describe(backup: dict[str, Any]) -> dict[str, Any]:
    """A backup of `info` as this program shows it.

    {"label", "type": full|diff|incr, "start", "stop": ISO 8601, "bytes": of the database,
    "repo_bytes": what this one added to the repository, "wal_start", "wal_stop": segments,
    "page_errors": bool | None}
    """
    sizes = backup["info"]
    return {
        "label": backup["label"],
        "type": backup["type"],
        "start": times.iso(times.from_seconds(backup["timestamp"]["start"])),
        "stop": times.iso(times.from_seconds(backup["timestamp"]["stop"])),
        "bytes": sizes["size"],
        "repo_bytes": sizes.get("repository", {}).get("delta"),
        "wal_start": backup["archive"]["start"],
        "wal_stop": backup["archive"]["stop"],
        "page_errors": backup.get("error"),
    }


def _take(context: "JobContext", kind: str) -> "Outcome":
    from backup_service.jobs import JobFailed, Outcome

    stanza = context.settings.stanza
    printed = pgbackrest.run("backup", f"--type={kind}", progress=context.progress, stanza=stanza)
    label = pgbackrest.new_label(printed)
    if label is None:
        raise JobFailed("pgbackrest backup ended well and named no backup: see its log")
    try:
        found = {each["label"]: each for each in pgbackrest.repository(stanza)["backup"]}[label]
    except KeyError:
        raise JobFailed(f"backup {label} was taken, but the repository does not list it") from None
    except PgBackRestError as error:
        raise JobFailed(f"backup {label} was taken, but cannot be looked at: {error}") from None
    details = describe(found)
    return Outcome(
        bytes=details["repo_bytes"],
        verified=[_page_checksums(details, printed)],
        details={"warnings": pgbackrest.warnings(printed)[:20], **details},
    )


def _page_checksums(details: dict[str, Any], printed: str) -> dict[str, Any]:
    damaged = [each for each in pgbackrest.warnings(printed) if "page checksum" in each]
    detail = {
        False: f"every page that {details['label']} holds was checked when it was read",
        None: "pgBackRest did not check the pages",
    }.get(details["page_errors"], "; ".join(damaged) or "pgBackRest found damaged pages")
    return {"what": "page checksums", "result": details["page_errors"] is False, "detail": detail}
