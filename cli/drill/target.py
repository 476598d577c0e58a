"""What a drill needs of the stack it breaks, and nothing more.

Faults are written against these protocols alone, so that the same drill serves every platform
that can offer them, and unit tests can offer a cluster that is not there.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Member(Protocol):
    """One member of a service as it describes itself. `timeline`: None where there is no such
    thing.
    """

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def timeline(self) -> int | None: ...


class Status(Protocol):
    """All members of a service at one moment. `healthy`: one primary, every other member
    following it and fit to take over, and whatever decides about that at its full number.
    """

    @property
    def leader(self) -> str | None: ...
    @property
    def members(self) -> Sequence[Member]: ...
    @property
    def healthy(self) -> bool: ...


class RedisAccess(Protocol):
    """How an application reaches Redis. `ports`: of each router, at `host`, whose name its
    certificate bears; `address`: where that name leads, if it leads nowhere on this machine.
    `sentinels`: their addresses (host, port), none if they cannot be reached, and `service` the
    name they know the primary by. The files are paths; certificate and key are what Redis and
    Sentinel want of a client, the routers want none.
    """

    @property
    def host(self) -> str: ...
    @property
    def address(self) -> str | None: ...
    @property
    def ports(self) -> Sequence[int]: ...
    @property
    def sentinels(self) -> Sequence[tuple[str, int]]: ...
    @property
    def service(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def ca_file(self) -> str: ...
    @property
    def certificate_file(self) -> str: ...
    @property
    def key_file(self) -> str: ...


class InsideWriter(Protocol):
    """Something that writes to a member from within its own container."""

    def result(self) -> list[float]:
        """When a write was accepted, as time.time(), in order; waits for the writer's end."""

    def close(self) -> None:
        """Ends it, whether it is done or not; never raises."""


class Cluster(Protocol):
    """A running stack: how to look at it, how to write to it, how to break it and undo that.

    The undoing methods (`start`, `unpause`, `reconnect`, `mend_consensus`) must do nothing, and
    not raise, where there is nothing to undo: a fault that was interrupted half-way is healed all
    the same.
    """

    @property
    def stack(self) -> str: ...

    def lock(self) -> AbstractContextManager[None]:
        """Held while the stack is broken: nobody else changes it meanwhile."""

    def members(self, workload: str) -> list[str]:
        """Member names of 'postgres', 'etcd', 'router', 'redis', 'sentinel' or 'vault'; none where
        the stack has no such workload.
        """

    def postgres_status(self) -> Status:
        """Asks every member; takes well under a second and never raises for a dead one."""

    def conninfo(self, database: str | None = None, *, read_only: bool = False) -> dict[str, str]:
        """What an application gives to libpq: through a router, as the database's owner."""

    def switchover(self, to: str | None = None) -> str:
        """Planned change of PostgreSQL's primary; returns the new primary's name."""

    def redis_status(self) -> Status:
        """As postgres_status. A primary that was cut off is not the leader."""

    def redis_access(self) -> RedisAccess: ...

    def redis_switchover(self, to: str | None = None) -> str:
        """Planned change of Redis's primary; returns the new primary's name."""

    def write_inside(self, member: str, seconds: float) -> InsideWriter:
        """Starts a writer in that member's container, against itself, for so many seconds;
        returns once it writes.
        """

    def kill_process(self, member: str) -> None:
        """SIGKILL to the server in the member's container, which lives on."""

    def kill(self, member: str) -> None: ...
    def start(self, member: str) -> None: ...
    def restart(self, member: str) -> None: ...
    def pause(self, member: str) -> None: ...
    def unpause(self, member: str) -> None: ...
    def disconnect(self, member: str) -> None:
        """Returns once the member is cut off."""

    def reconnect(self, member: str) -> None: ...
    def cut_consensus(self) -> None:
        """Keeps PostgreSQL's members from what they agree in, where that is the platform's own
        store and there are no members of 'etcd' to be killed. Returns once they are cut off.
        """

    def mend_consensus(self) -> None: ...


def describe(status: Status) -> str:
    """The status in one line, for a message about why a service is not healthy."""
    members = "; ".join(
        f"{m.name} {m.role} {m.state}" + (f" on timeline {m.timeline}" if m.timeline else "")
        for m in status.members
    )
    return f"primary: {status.leader or 'none'}; {members or 'no members'}"
