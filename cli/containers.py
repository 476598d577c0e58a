"""A stack's containers, asked from outside, whatever platform runs them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from cli.errors import OperationFailed

if TYPE_CHECKING:
    from cli.cluster import Cluster


class CannotBeAsked(Exception):
    """No command runs in the container. The text is the platform's own reason."""


class Conversation(Protocol):
    """A command that runs in a container and is told something."""

    def send(self, data: bytes) -> None:
        """To its standard input."""

    def said(self) -> Iterator[bytes]:
        """Its standard output and error, as they come, to its end."""

    def close(self) -> None:
        """Lets go of it; it may go on."""


class Container(Protocol):
    """A member's container, as its platform shows it.

    state: running, or the platform's word for why it does not. health: healthy, unhealthy, or
    empty where that is not known (yet).
    """

    @property
    def member(self) -> str: ...
    @property
    def workload(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def health(self) -> str: ...
    @property
    def address(self) -> str:
        """What others in its segment reach it at, of one that is in a single segment."""

    def exec_run(
        self, command: list[str], *, demux: bool = False, stream: bool = False, stderr: bool = True
    ) -> Any:
        """Runs a command in it, as docker-py does: {exit_code, output}.

        output: bytes; with demux (standard output, error), each None if empty; with stream an
        iterator of these, and no exit_code. Raises CannotBeAsked.
        """

    def converse(self, command: list[str]) -> Conversation:
        """Begins a command that is told something. Raises CannotBeAsked."""

    def logs(self, *, tail: int, follow: bool = False) -> Iterator[bytes]:
        """The last lines of its log, in pieces; with follow it goes on as they come."""

    def command_line(
        self, *, terminal: bool = False, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """What a person types before a command to have it run inside, with the variables set."""


def first_running(cluster: "Cluster", *workloads: str) -> Container | None:
    """The first running container of these, in their order; None when none runs."""
    for workload in workloads:
        for container in cluster.containers(workload):
            if container.state == "running":
                return container
    return None


def execute(container: Container, command: list[str], **how: Any) -> Any:
    """exec_run of the container. Raises OperationFailed when it cannot be asked."""
    try:
        return container.exec_run(command, **how)
    except CannotBeAsked as error:
        raise OperationFailed(f"{container.member} cannot be asked: {error}") from None
