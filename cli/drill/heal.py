"""Undoes what a drill that was killed has left broken."""

from collections.abc import Callable, Iterator

from cli.drill.target import Cluster
from cli.errors import OperationFailed, UserError

WORKLOADS = ("etcd", "postgres", "sentinel", "redis", "vault")
"""Whose members drills break; those that others need first."""


def heal(cluster: Cluster, tell: Callable[[str], None]) -> list[str]:
    """Connects, thaws and starts every member; what is as it should be is left alone.

    Returns what could not be undone, one line each; the rest was.
    """
    complaints = []
    for what, undo in _steps(cluster):
        tell(what)
        try:
            undo()
        except (OperationFailed, UserError) as error:
            complaints.append(f"{what}: {error}")
    return complaints


def _steps(cluster: Cluster) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "the members' way to what they agree in", cluster.mend_consensus
    for workload in WORKLOADS:
        for member in cluster.members(workload):
            yield member, lambda member=member: _whole(cluster, member)  # type: ignore[misc]


def _whole(cluster: Cluster, member: str) -> None:
    cluster.reconnect(member)
    cluster.unpause(member)
    cluster.start(member)
