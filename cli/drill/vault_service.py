"""The backup system's own program, asked in the containers where its parts run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cli.containers import execute
from cli.errors import OperationFailed

PROGRAM = "backup-service"

# The members that its parts run in.
VAULT = "vault-1"
BACKUP = "backup-1"
RESTORE_TEST = "restore-test-1"
REPLICATION = "replication-1"
SIDE = "side-1"

# The program's own exit status for a run of a kind that is under way already.
ALREADY_RUNNING = 3
# timeout's own exit status when it had to end the command.
TIMED_OUT = 124

QUICK_SECONDS = 120
"""More than any question takes, on a loaded machine and with the vault away."""
LONG_SECONDS = 3 * 3600
"""A run that takes longer is not waited for: it hangs."""
ERROR_LENGTH = 600


@dataclass(frozen=True)
class Answer:
    """What one call of the program came to. `said`: its standard output, one value a JSON line;
    `complaint`: its standard error and what was no JSON.
    """

    asked: str
    status: int
    said: tuple[Any, ...] = ()
    complaint: str = ""

    def value(self) -> Any:
        """What was asked for: the last thing it said that is no event. Raises OperationFailed when
        it said nothing or failed.
        """
        values = [each for each in self.said if not (isinstance(each, dict) and "event" in each)]
        if self.status or not values:
            raise OperationFailed(self.failure())
        return values[-1]

    def record(self) -> dict[str, Any] | None:
        """The record of the run, if it wrote one."""
        return next(iter(reversed(list(records_among(self.said)))), None)

    def error(self) -> str:
        """Everything it said about what went wrong; empty if that is nothing."""
        texts = [str(each["message"]) for each in self.said if _is_event(each, "error")]
        record = self.record() or {}
        texts += [str(record.get("error") or "")]
        for each in record.get("verified") or ():
            if not each.get("result"):
                texts.append(f"{each.get('what')}: {each.get('detail')}")
        texts += self.complaint.splitlines()
        return "; ".join(dict.fromkeys(text.strip() for text in texts if text.strip()))

    def failure(self) -> str:
        """One line for whoever wants to know why it did not do what it should."""
        if self.status == TIMED_OUT:
            return f"{self.asked} did not end in time"
        why = self.error()[:ERROR_LENGTH] or "it said nothing"
        return f"{self.asked} ended with {self.status}: {why}"


def _is_event(value: Any, event: str) -> bool:
    return isinstance(value, dict) and value.get("event") == event


def records_among(values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Every record in what the program said, in its order."""
    return (each for each in values if _is_event(each, "record"))


class BackupService(Protocol):
    """What a drill needs of the backup system."""

    def ask(self, member: str, *arguments: str, seconds: float = QUICK_SECONDS) -> Answer:
        """Runs the program in that member's container, to its end. Raises OperationFailed or
        UserError when it could not be run at all.
        """

    def read(self, member: str, path: str) -> str:
        """A file of that member. Raises OperationFailed."""

    def close_segment(self) -> None:
        """Closes the primary's WAL segment and does not wait until it is in the vault. Raises
        OperationFailed.
        """


class InContainers:
    """BackupService, by commands in its containers."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def ask(self, member: str, *arguments: str, seconds: float = QUICK_SECONDS) -> Answer:
        # Ended inside: a command whose caller is gone goes on in the container.
        command = ["timeout", str(int(seconds)), PROGRAM, *arguments, "--json"]
        status, said, complaint = self._run(member, command)
        return answer(f"{PROGRAM} {' '.join(arguments)} in {member}", status, said, complaint)

    def read(self, member: str, path: str) -> str:
        status, said, complaint = self._run(member, ["cat", path])
        if status:
            raise OperationFailed(f"{member}: {complaint.strip()}")
        return said

    def close_segment(self) -> None:
        leader = self._cluster.postgres_status().leader
        if leader is None:
            raise OperationFailed("there is no primary: ./selfmonitor status")
        # A segment nothing was written to is not closed.
        write = "SELECT pg_logical_emit_message(false, 'selfmonitor', 'drill')"
        command = ["psql", "-U", "postgres", "-At", "-c", write, "-c", "SELECT pg_switch_wal()"]
        status, _, complaint = self._run(leader, command)
        if status:
            raise OperationFailed(f"{leader}: {complaint.strip()}")

    def _run(self, member: str, command: list[str]) -> tuple[int, str, str]:
        result = execute(self._cluster.container(member), command, demux=True)
        said, complaint = ((part or b"").decode(errors="replace") for part in result.output)
        return int(result.exit_code), said, complaint


def answer(asked: str, status: int, said: str, complaint: str) -> Answer:
    """From what a call of the program wrote."""
    values: list[Any] = []
    rest: list[str] = []
    for line in said.splitlines():
        try:
            values.append(json.loads(line))
        except ValueError:
            rest.append(line)
    return Answer(asked, status, tuple(values), "\n".join([*rest, complaint]).strip())
