"""What a recovering server's log says: how far it came, what it lacked, why it ended."""

import re
from collections import deque
from pathlib import Path

from backup_service.damage import explain
from backup_service.errors import one_line
from backup_service.segments import at_lsn, following

TAIL_LINES = 40

_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})"')
_TOO_SMALL = re.compile(
    r"DETAIL:\s+(\w+) = \d+ is a lower setting than on the primary server, "
    r"where its value was (\d+)"
)
_BAD_RECORD = re.compile(
    r"(?:incorrect resource manager data checksum|record with incorrect prev-link \S+|"
    r"invalid (?:resource manager ID|magic number) \S+).* (?:at|in \S+ segment) ([0-9A-F/]+)"
)
_OPEN = re.compile(r"database system is ready to accept (?:read-only )?connections")
_FATAL = re.compile(r"(?:FATAL|PANIC):\s+(.*)")
# Clients that came too early; they say nothing of the recovery.
_NOISE = re.compile(r"the database system is (?:starting up|shutting down|not yet accepting)")
_PGBACKREST = re.compile(r"ERROR: \[\d+\]: (.*)")
_CONTINUED = re.compile(r"^\s{4,}\S")


class RecoveryLog:
    """Reads a server's log as it grows.

    restored: names of the WAL segments taken from the archive, the last of them. open: clients are
    let in. too_small: settings of which the primary had more, with what it had.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.segments = 0
        self.last_segment: str | None = None
        self.open = False
        self.too_small: dict[str, str] = {}
        self._fatal: list[str] = []
        self._refused: list[str] = []
        self._bad_record: str | None = None
        self._short = False

    def read(self) -> None:
        """Takes up what was written since."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                found = self._rest + file.read()
                self._position = file.tell()
        except FileNotFoundError:
            return
        *lines, self._rest = found.split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace"))

    @property
    def not_reached(self) -> bool:
        """The WAL ended before the target, for no other reason than that there was no more."""
        return self._short and not self._refused and not self._bad_record

    def state(self) -> tuple[int, str]:
        """Differs whenever the recovery has come further."""
        last = self.tail[-1] if self.tail else ""
        return self.segments, re.sub(r"^\S+ \S+ \S+ |elapsed time: [\d.]+ s", "", last)

    def _line(self, line: str) -> None:
        if _NOISE.search(line):
            return
        self.tail.append(one_line(line))
        if found := _RESTORED.search(line):
            self.segments += 1
            self.last_segment = found[1]
        elif found := _TOO_SMALL.search(line):
            self.too_small[found[1]] = found[2]
        elif found := _PGBACKREST.search(line):
            self._refused.append(found[1])
        elif _CONTINUED.match(line) and self._refused:
            self._refused[-1] += "\n" + line.strip()
        elif found := _FATAL.search(line):
            self._fatal.append(found[1])
            self._short |= "before configured recovery target" in line
        elif found := _BAD_RECORD.search(line):
            self._bad_record = found[1]
        elif _OPEN.search(line):
            self.open = True

    def why(self, segment_bytes: int) -> str:
        """Why the recovery came to no good end, in one line.

        segment_bytes: how long a segment of its WAL is.
        """
        if self._refused:
            return explain(self._refused[-1])
        if self._bad_record:
            return f"WAL segment {self._segment_at(self._bad_record, segment_bytes)} is damaged"
        fatal = " ".join(self._fatal)
        missing = f"WAL segment {self._next(segment_bytes)} is missing in the vault"
        if self.not_reached:
            return (
                f"{missing}: recovery came to the end of {self.last_segment or 'nothing'} and the "
                "point lies after it"
            )
        if re.search(r"WAL ends before (?:end of online backup|consistent)", fatal):
            return f"{missing}: the backup needs it"
        if "could not locate required checkpoint record" in fatal:
            return "the WAL segment in which the backup begins is missing in the vault"
        if "stop point is before consistent recovery point" in fatal:
            return "the point lies before the end of the backup it was to be reached from"
        if "is not a child of this server's history" in fatal:
            return "the backup does not lie on the way to that timeline: " + one_line(fatal)
        return one_line(self._fatal[0] if self._fatal else "the server ended and did not say why")

    def _segment_at(self, lsn: str, size: int) -> str:
        timeline = int(self.last_segment[:8], 16) if self.last_segment else 1
        return f"{at_lsn(timeline, lsn, size)} (at {lsn})"

    def _next(self, size: int) -> str:
        return following(self.last_segment, size) if self.last_segment else "that comes first"
