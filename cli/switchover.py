"""selfmonitor switchover"""

import time

import click

from cli.cluster import open_cluster
from cli.console import Steps
from cli.errors import OperationFailed
from cli.project import current_project

HEALTHY_SECONDS = 60


@click.command()
@click.argument("service", type=click.Choice(["postgres", "redis"]), default="postgres")
@click.option("--to", metavar="MEMBER", help="The new primary; a fit one by default.")
@click.pass_context
def switchover(context: click.Context, service: str, to: str | None) -> None:
    """Move the primary of PostgreSQL or Redis, planned: writing pauses, nothing is lost."""
    cluster = open_cluster(context)
    look = cluster.postgres_status if service == "postgres" else cluster.redis_status
    move = cluster.switchover if service == "postgres" else cluster.redis_switchover
    follow = "standby streaming from" if service == "postgres" else "replica in step with"
    steps = Steps()
    with current_project(context).lock():
        before = look().leader
        with steps.step("switchover") as step:
            now = move(to)
            step.remark(f"{before} → {now}")
        with steps.step(f"every {follow} the new primary"):
            deadline = time.monotonic() + HEALTHY_SECONDS
            while not look().healthy:
                if time.monotonic() > deadline:
                    raise OperationFailed(
                        f"{now} is primary, but the others do not all follow after "
                        f"{HEALTHY_SECONDS} s: ./selfmonitor status"
                    )
                time.sleep(0.5)
