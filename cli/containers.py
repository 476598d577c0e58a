"""A stack's containers, asked from outside."""

from typing import TYPE_CHECKING, Any

from cli.errors import OperationFailed
from platforms.docker_names import LABEL_MEMBER

if TYPE_CHECKING:
    from cli.cluster import Cluster


def first_running(cluster: "Cluster", *workloads: str) -> Any:
    """The first running container of these, in their order; None when none runs."""
    for workload in workloads:
        for container in cluster.containers(workload):
            if container.attrs["State"] == "running":
                return container
    return None


def name_of(container: Any) -> str:
    """The member's name, e.g. backup-1."""
    return str(container.attrs["Labels"][LABEL_MEMBER])


def execute(container: Any, command: list[str], **how: Any) -> Any:
    """exec_run of the container. Raises OperationFailed when it cannot be asked."""
    import docker.errors

    try:
        return container.exec_run(command, **how)
    except docker.errors.APIError as error:
        raise OperationFailed(
            f"{name_of(container)} cannot be asked: {error.explanation}"
        ) from None
