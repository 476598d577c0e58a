"""What a restored database must answer: its canary as it was then, its invariants true."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backup_service.errors import one_line
from backup_service.settings import Invariant
from backup_service.throwaway import Throwaway

if TYPE_CHECKING:
    from backup_service.canary import Entry

# The canary table's database, which belongs to the role this program runs under.
CANARY_DATABASE = "selfmonitor"
# An invariant reads what is there and no more; one that needs longer would hold the test up.
STATEMENT_SECONDS = 300

_READ_ONLY = (
    f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_SECONDS}s "
    "-c lock_timeout=10s"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was verified, for the record. what: names it; detail: one line."""

    what: str
    result: bool
    detail: str

    def document(self) -> dict[str, Any]:
        """As a record's `verified` holds it."""
        return asdict(self)


def content(server: Throwaway, database: str = CANARY_DATABASE) -> str:
    """The canary table's hash, in hexadecimal. Raises psycopg.Error."""
    from backup_service.canary import CONTENT_SQL

    with server.connect(database, options=_READ_ONLY) as connection:
        row = connection.execute(CONTENT_SQL).fetchone()
    return str(row[0]) if row else ""


def canary(server: Throwaway, expected: "Entry | None") -> Finding:
    """Whether the canary table holds what its journal says it held at the point."""
    import psycopg

    what = "canary"
    if expected is None:
        return Finding(what, False, "the journal has no entry for this point: is `canary` running?")
    try:
        found = content(server)
    except psycopg.Error as error:
        return Finding(what, False, f"the canary table cannot be read: {one_line(str(error))}")
    wanted = f"entry {expected.id} of {expected.time:%Y-%m-%dT%H:%M:%S.%fZ}"
    if found != expected.sha256:
        return Finding(
            what,
            False,
            f"the canary table is not what was committed by then: sha256 {found}, "
            f"{wanted} has {expected.sha256}",
        )
    return Finding(what, True, f"as committed by then: {wanted}, sha256 {found}")


def invariants(server: Throwaway, wanted: Sequence[Invariant]) -> list[Finding]:
    """One finding each; one that says so when there are none."""
    if not wanted:
        return [Finding("invariants", True, "no invariants configured")]
    return [_invariant(server, each) for each in wanted]


def _invariant(server: Throwaway, invariant: Invariant) -> Finding:
    import psycopg

    what = f"invariant {invariant.name}"
    try:
        with server.connect(invariant.database, options=_READ_ONLY) as connection:
            # What a stack file holds is one statement or it is refused, and its result is bounded.
            cursor = connection.execute(invariant.sql.encode(), prepare=True)
            rows = cursor.fetchmany(2) if cursor.description else []
    except psycopg.Error as error:
        return Finding(what, False, f"in {invariant.database}: {one_line(str(error))}")
    if len(rows) != 1 or len(rows[0]) != 1:
        return Finding(what, False, f"in {invariant.database}: not one row with one value")
    if rows[0][0] is not True:
        return Finding(what, False, f"in {invariant.database}: {one_line(repr(rows[0][0]), 80)}")
    return Finding(what, True, f"in {invariant.database}: true")
