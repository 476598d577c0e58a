"""The backup service's own program, run in its containers and followed from here."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from cli.cluster import Cluster
from cli.containers import CannotBeAsked, Container, execute, first_running
from cli.errors import OperationFailed, UserError
from cli.events import lines
from cli.interrupts import insistent

PROGRAM = "/usr/local/bin/backup-service"
# Its exit statuses.
FAILED, WRONG_INPUT, ALREADY_RUNNING = 1, 2, 3
# What is only asked has its answer from a few objects of the vault.
ANSWER_SECONDS = 60
# How long a job that is asked to end may take to write down that it was interrupted.
END_SECONDS = 20
COMPLAINTS = 20
# The shell says at last how the job ended, and passes on the request to end: a signal ends its
# wait, and not the job. $0 is a name of its own, by which both are found from here.
FOLLOW = (
    'trap \'kill "$child"\' TERM; "$@" & child=$!; wait "$child"; status=$?; '
    'while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done; '
    'echo; echo "ended $status"'
)
END = (
    "found() { for each in /proc/[0-9]*; do "
    'grep -qs "follower-$0" "$each/cmdline" && echo "${each#/proc/}"; done; }; '
    'for each in $(found); do kill "$each"; done; '
    'left=$(($1 * 10)); while [ -n "$(found)" ] && [ "$left" -gt 0 ]; do '
    "sleep 0.1; left=$((left - 1)); done"
)

OnProgress = Callable[[str, int, int | None], None]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. records: of jobs, as the service keeps them. answers: what else it said, in
    order. message: its own word for what went wrong; complaints: the end of its error output.
    """

    member: str
    status: int
    records: tuple[Mapping[str, Any], ...]
    answers: tuple[Answer, ...]
    message: str
    complaints: tuple[str, ...]

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The run's own."""
        return self.records[-1] if self.records else None

    def require_success(self) -> "Outcome":
        """Itself, when it went well. Raises UserError or OperationFailed with its own word."""
        if self.status == 0:
            return self
        if self.status == WRONG_INPUT:
            raise UserError(self.message or "\n".join(self.complaints[-1:]) or "refused")
        message = self.message or str((self.record or {}).get("error") or "")
        if message:
            raise OperationFailed(message)
        raise OperationFailed(
            f"the job in {self.member} ended with exit status {self.status}: "
            f"./selfmonitor logs {self.member}",
            self.complaints,
        )


def find(cluster: Cluster, *workloads: str) -> Container:
    """The first running container of these. Raises OperationFailed when none runs."""
    container = first_running(cluster, *workloads)
    if container is None:
        raise OperationFailed(
            f"{workloads[0]}-1 of stack {cluster.stack} does not run: "
            f"./selfmonitor -s {cluster.stack} up"
        )
    return container


def _documents(text: Iterable[bytes]) -> Iterator[Answer]:
    """JSON objects, one a line; other lines are left out, a list's objects are taken singly."""
    for line in text:
        with suppress(ValueError):
            found = json.loads(line)
            yield from (
                each
                for each in (found if isinstance(found, list) else [found])
                if isinstance(each, dict)
            )


class _Reader:
    """Sorts what the program says."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self.records: list[Mapping[str, Any]] = []
        self.answers: list[Answer] = []
        self.message = ""

    def take(self, said: Answer) -> None:
        """One document."""
        event = said.get("event")
        if event == "progress":
            total = said.get("total")
            done = int(said.get("done") or 0)
            self._on_progress(str(said.get("what", "")), done, int(total) if total else None)
        elif event == "record":
            self.records.append({key: each for key, each in said.items() if key != "event"})
        elif event == "error":
            self.message = str(said.get("message", ""))
        else:
            self.answers.append(said)


def _nowhere(what: str, done: int, total: int | None) -> None:
    """For what is too short to be followed."""


def ask(container: Container, *arguments: str) -> Outcome:
    """What the program says at once. Raises OperationFailed when it cannot be asked."""
    command = ["timeout", str(ANSWER_SECONDS), PROGRAM, *arguments, "--json"]
    result = execute(container, command, demux=True)
    said, complaint = (part or b"" for part in result.output)
    reader = _Reader(_nowhere)
    for document in _documents(said.splitlines()):
        reader.take(document)
    return _outcome(container, result.exit_code, reader, complaint.splitlines())


def run(container: Container, *arguments: str, on_progress: OnProgress = _nowhere) -> Outcome:
    """Runs a job to its end. An interrupt asks the job to end, and waits until it has.

    Raises OperationFailed when the container stops meanwhile.
    """
    number = token_hex(8)
    shell = ["/bin/sh", "-c", FOLLOW, f"follower-{number}", PROGRAM, *arguments, "--json"]
    complaints: deque[bytes] = deque(maxlen=COMPLAINTS)
    reader = _Reader(on_progress)
    status: int | None = None
    try:
        with insistent():
            stream = execute(container, shell, demux=True, stream=True)
            for line in lines(_standard_output(stream.output, complaints)):
                if line.startswith(b"ended "):
                    status = int(line.split()[1])
                else:
                    for document in _documents([line]):
                        reader.take(document)
    finally:
        # Also when it was interrupted while it began.
        if status is None:
            _end(container, number)
    if status is None:
        raise OperationFailed(
            f"{container.member} stopped while the job ran: ./selfmonitor logs {container.member}"
        )
    return _outcome(container, status, reader, b"".join(complaints).splitlines())


def _standard_output(
    pieces: Iterable[tuple[bytes | None, bytes | None]], complaints: deque[bytes]
) -> Iterator[bytes]:
    for said, complaint in pieces:
        if complaint:
            complaints.append(complaint)
        if said:
            yield said


def _outcome(
    container: Container, status: int, reader: _Reader, complaints: list[bytes]
) -> Outcome:
    return Outcome(
        container.member,
        status,
        tuple(reader.records),
        tuple(reader.answers),
        reader.message,
        tuple(line.decode(errors="replace") for line in complaints[-COMPLAINTS:]),
    )


def _end(container: Container, number: str) -> None:
    """Ends what was left in the container; it may have stopped, and all with it."""
    with suppress(CannotBeAsked, OSError):
        container.exec_run(["/bin/sh", "-c", END, number, str(END_SECONDS)])
