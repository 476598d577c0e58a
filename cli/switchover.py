"""selfmonitor switchover"""

import time

import click

from cli.cluster import open_cluster
from cli.console import Steps
from cli.errors import OperationFailed
from cli.project import current_project

HEALTHY_SECONDS = 60


@click.command()
@click.option("--to", metavar="MEMBER", help="The new primary; a fit standby by default.")
@click.pass_context
def switchover(context: click.Context, to: str | None) -> None:
    """Move the primary, planned: commits pause for some three and a half seconds, none is lost."""
    cluster = open_cluster(context)
    steps = Steps()
    with current_project(context).lock():
        before = cluster.postgres_status().leader
        with steps.step("switchover") as step:
            now = cluster.switchover(to)
            step.remark(f"{before} → {now}")
        with steps.step("every standby streaming from the new primary"):
            deadline = time.monotonic() + HEALTHY_SECONDS
            while not cluster.postgres_status().healthy:
                if time.monotonic() > deadline:
                    raise OperationFailed(
                        f"{now} is primary, but the others do not all stream after "
                        f"{HEALTHY_SECONDS} s: ./selfmonitor status"
                    )
                time.sleep(0.5)
