"""What a drill needs of the cluster it breaks, and nothing more.

Faults are written against these protocols alone, so that the same drill serves every platform
that can offer them, and unit tests can offer a cluster that is not there.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Member(Protocol):
    """One PostgreSQL member as it describes itself."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def timeline(self) -> int | None: ...


class PostgresStatus(Protocol):
    """All members at one moment. `healthy`: a leader, every member running or streaming on one
    timeline, and every standby in the quorum.
    """

    @property
    def leader(self) -> str | None: ...
    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def healthy(self) -> bool: ...


class Cluster(Protocol):
    """A running stack: how to look at it, how to write to it, how to break it and undo that.

    The undoing methods (`start`, `unpause`, `reconnect`) must do nothing, and not raise, where
    there is nothing to undo: a fault that was interrupted half-way is healed all the same.
    """

    @property
    def stack(self) -> str: ...

    def lock(self) -> AbstractContextManager[None]:
        """Held while the stack is broken: nobody else changes it meanwhile."""

    def postgres_status(self) -> PostgresStatus:
        """Asks every member; takes well under a second and never raises for a dead one."""

    def members(self, workload: str) -> list[str]:
        """Member names of 'postgres', 'etcd' or 'router'."""

    def conninfo(self, database: str | None = None, *, read_only: bool = False) -> dict[str, str]:
        """What an application gives to libpq: through a router, as the database's owner."""

    def switchover(self, to: str | None = None) -> str:
        """Planned change of primary; returns the new primary's name."""

    def kill_process(self, member: str) -> None: ...
    def kill(self, member: str) -> None: ...
    def start(self, member: str) -> None: ...
    def restart(self, member: str) -> None: ...
    def pause(self, member: str) -> None: ...
    def unpause(self, member: str) -> None: ...
    def disconnect(self, member: str) -> None: ...
    def reconnect(self, member: str) -> None: ...


def describe(status: PostgresStatus) -> str:
    """The status in one line, for a message about why a cluster is not healthy."""
    members = "; ".join(
        f"{m.name} {m.role} {m.state}" + (f" on timeline {m.timeline}" if m.timeline else "")
        for m in status.members
    )
    return f"primary: {status.leader or 'none'}; {members or 'no members'}"
