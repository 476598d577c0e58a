"""How the archiving of WAL goes on the primary, and a way to have the current segment archived."""

import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from backup_service.jobs import JobFailed
from backup_service.postgres import bounded, connect, one_line
from backup_service.settings import FILES, Settings
from backup_service.times import iso, now

# A segment is archived within seconds, and closed at the latest every archive_timeout (50 s).
STUCK_SECONDS = 180
ANSWER_SECONDS = 10
SWITCH_SECONDS = 120
# PostgreSQL tries three times, a second apart: one failure may be none a moment later.
FAILING_SECONDS = 10

OBSERVE = """
SELECT clock_timestamp(), archiver.last_archived_wal, archiver.last_archived_time,
       archiver.failed_count, archiver.last_failed_wal, archiver.last_failed_time,
       waiting.segments, waiting.oldest, waiting.segments * wal.segment_bytes, wal.bytes,
       extract(epoch FROM clock_timestamp() - waiting.oldest)::float8
FROM pg_stat_archiver AS archiver,
     (SELECT count(*) FILTER (WHERE name ~ '^[0-9A-F]{24}\\.ready$') AS segments,
             min(modification) AS oldest
      FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS waiting,
     (SELECT coalesce(sum(size), 0) AS bytes,
             pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes
      FROM pg_ls_waldir()) AS wal
"""

# Whether a segment is archived: the archiver has said so, or it is past it (it goes in order).
ARCHIVED = """
SELECT clock_timestamp(), last_archived_wal, last_archived_time, last_failed_wal, last_failed_time,
       EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = %s || '.done')
FROM pg_stat_archiver
"""

UNKNOWN: dict[str, Any] = {
    "primary": None,
    "last_archived": None,
    "last_archived_at": None,
    "failed_count": None,
    "last_failed_at": None,
    "waiting_segments": None,
    "waiting_bytes": None,
    "oldest_waiting_seconds": None,
    "wal_bytes": None,
    "state": "unknown",
}


def observe(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """What stands in DATA/archiver.json. Times: ISO 8601; waiting: not yet archived.

    Raises psycopg.Error.
    """
    row = connection.execute(OBSERVE).fetchone()
    assert row is not None
    moment, archived, archived_at, failures, failed, failed_at = row[:6]
    waiting, _, waiting_bytes, wal_bytes, oldest = row[6:]
    state, message = judge(moment, archived_at, failed, failed_at, waiting, oldest)
    return {
        "time": iso(moment),
        "primary": connection.info.host,
        "last_archived": archived,
        "last_archived_at": archived_at and iso(archived_at),
        "failed_count": failures,
        "last_failed_at": failed_at and iso(failed_at),
        "waiting_segments": waiting,
        "waiting_bytes": int(waiting_bytes),
        "oldest_waiting_seconds": oldest,
        "wal_bytes": int(wal_bytes),
        "state": state,
        "message": message,
    }


def unknown(message: str) -> dict[str, Any]:
    """The same when the primary cannot be asked."""
    return {"time": iso(now()), **UNKNOWN, "message": message}


def judge(
    moment: datetime,
    archived_at: datetime | None,
    failed: str | None,
    failed_at: datetime | None,
    waiting: int,
    oldest: float | None,
) -> tuple[str, str]:
    """(state, message). failed: the file that failed last; oldest: seconds."""
    failing = failed_at is not None and (archived_at is None or failed_at > archived_at)
    # What failed waits. Nothing does on a member that was just promoted: its failures are those of
    # a standby, which waited for the old primary to push.
    if failing and failed_at is not None and oldest is not None:
        ago = (moment - failed_at).total_seconds()
        return "failing", (
            f"archiving {failed} failed {ago:.0f} s ago, {waiting} segments wait: see the "
            "primary's log and the vault"
        )
    if oldest is not None and oldest > STUCK_SECONDS:
        return "stuck", (
            f"the oldest of {waiting} waiting segments waits for {oldest:.0f} s: see the "
            "primary's log and the vault"
        )
    return "ok", "archiving"


def switch_wal(settings: Settings, files: Path = FILES) -> dict[str, Any]:
    """Closes the current segment and waits until it is in the vault.

    {"segment": str, "time": ISO, of the switch: what was committed before is archived,
    "seconds": float it took}. Raises JobFailed.
    """
    began = time.monotonic()
    try:
        with connect(settings, files=files, statement_timeout=ANSWER_SECONDS * 1000) as connection:
            with bounded(connection, ANSWER_SECONDS):
                row = connection.execute(
                    "SELECT clock_timestamp(), pg_walfile_name(pg_switch_wal())"
                ).fetchone()
            assert row is not None
            switched, segment = row
            while (trouble := _not_archived(connection, segment, switched)) is not None:
                waited = time.monotonic() - began
                if trouble and waited > FAILING_SECONDS:
                    raise JobFailed(trouble)
                if waited > SWITCH_SECONDS:
                    raise JobFailed(
                        f"{segment} is not archived after {SWITCH_SECONDS} s: see the log of "
                        f"{connection.info.host} and the vault"
                    )
                time.sleep(0.5)
    except (psycopg.Error, OSError) as error:
        raise JobFailed(
            f"the primary could not be asked to switch WAL: {one_line(error)}"
        ) from None
    return {"segment": segment, "time": iso(switched), "seconds": time.monotonic() - began}


def _not_archived(
    connection: psycopg.Connection[Any], segment: str, switched: datetime
) -> str | None:
    """None: it is. Otherwise what keeps it from being archived, as far as that is known."""
    with bounded(connection, ANSWER_SECONDS):
        row = connection.execute(ARCHIVED, [segment]).fetchone()
    assert row is not None
    moment, archived, archived_at, failed, failed_at, done = row
    if done or reached(archived, segment):
        return None
    if failed_at is not None and failed_at > max(switched, archived_at or switched):
        return (
            f"{connection.info.host} could not archive {failed} "
            f"{(moment - failed_at).total_seconds():.0f} s ago: see its log and the vault"
        )
    return ""


def reached(archived: str | None, segment: str) -> bool:
    """Whether the archiver, which goes in order, is at this segment or past it.

    A name with a suffix (a timeline's history, a backup's label) says nothing about segments.
    """
    if archived is None or not re.fullmatch("[0-9A-F]{24}", archived):
        return False
    # After a promotion the segments go on in the new timeline.
    return archived[8:] >= segment[8:] and archived[:8] >= segment[:8]
