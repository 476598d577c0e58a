"""What follows a recovery: what Redis got, and a full backup from which the window goes on."""

from typing import TYPE_CHECKING

from cli import backup_inside
from cli.cluster import Cluster
from cli.console import Steps
from cli.errors import OperationFailed, UserError
from cli.project import Project, command_line
from platforms.docker_names import object_name

if TYPE_CHECKING:
    import docker

JOB = "load-redis"
# What came of it is at the log's end; before that it told how far it was.
LOG_LINES = 50


def what_redis_got(project: Project, client: "docker.DockerClient") -> list[str]:
    """What the job that fills Redis says of it, a line each; none where there was no such job.

    To be asked before the next `up` removes the job, and its log with it.
    """
    import docker.errors

    try:
        job = client.containers.get(object_name(project.stack, f"{JOB}-1"))
        said = job.logs(stdout=False, stderr=True, tail=LOG_LINES).decode(errors="replace")
    except docker.errors.DockerException:
        return []
    prefix = f"{JOB}: "
    lines = (line for line in said.splitlines() if line.startswith(prefix))
    return [f"Redis: {line.removeprefix(prefix)}" for line in lines]


def ask_for_full_backup(cluster: Cluster, steps: Steps, since: str | None = None) -> None:
    """Has the backup service make one, unless one was begun since (ISO 8601; None: from now on).

    What was recovered is on a timeline of its own: older backups may not lead to it, and where
    they do, all WAL since must be there. The wish is on disk when this returns, and the service
    repeats what fails. That nobody could be asked does not make the recovery a failure: it is told.
    """
    options = ("--since", since) if since is not None else ()
    run = command_line(cluster.stack)
    try:
        container = backup_inside.find(cluster, "backup")
        backup_inside.ask(container, "want-full", *options).require_success()
    except (OperationFailed, UserError) as error:
        steps.line(f"  no full backup was asked for ({error}): {run} backup now --kind full")
    else:
        steps.line(f"✓ a full backup is made by itself, unless one was already: {run} backup list")
