"""What follows a recovery: what Redis got."""

from typing import TYPE_CHECKING

from cli.project import Project
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
