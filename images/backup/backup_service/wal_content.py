"""Whether WAL that the restore did not replay can be read back as it was written."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from backup_service import pgbackrest
from backup_service.continuity import Archived
from backup_service.damage import explain
from backup_service.pgbackrest import PgBackRestError
from backup_service.progress import Progress

MOST_NAMED = 5


def damaged(
    segments: Sequence[Archived],
    data: Path,
    progress: Progress,
    *,
    segment_bytes: int,
    stanza: str,
    environment: Mapping[str, str],
) -> list[str]:
    """One line for each that cannot be read back, at most MOST_NAMED of them.

    Each is fetched, decrypted and compared with the hash that its name in the repository has.
    data: a restored data directory, which tells pgBackRest whose WAL it is.
    """
    found: list[str] = []
    scratch = data.parent / "segment"
    total = len(segments) * segment_bytes
    for number, each in enumerate(segments):
        progress.report("reading WAL after the point", number * segment_bytes, total)
        wrong = _wrong(each, data, scratch, stanza, environment)
        if wrong:
            found.append(wrong)
        if len(found) == MOST_NAMED:
            break
    return found


def _wrong(
    segment: Archived, data: Path, scratch: Path, stanza: str, environment: Mapping[str, str]
) -> str | None:
    try:
        pgbackrest.run(
            "archive-get",
            segment.name,
            str(scratch),
            f"--pg1-path={data}",
            "--no-archive-async",
            stanza=stanza,
            environment=environment,
        )
        with scratch.open("rb") as file:
            same = hashlib.file_digest(file, "sha1").hexdigest() == segment.sha1
    except PgBackRestError as error:
        return explain(str(error), str(data))
    finally:
        scratch.unlink(missing_ok=True)
    return None if same else f"WAL segment {segment.name} is damaged: its checksum does not match"
