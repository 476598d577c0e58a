"""A client program of a member's container, at the person's own terminal."""

import os
import shutil
import subprocess
import sys

from cli.cluster import Cluster
from cli.containers import first_running
from cli.errors import OperationFailed, UserError

# The secret arrives on a descriptor, lives in memory-backed /tmp in a file only this user reads,
# and goes with the shell.
SCRIPT = "trap 'rm -f \"$SECRET\"' EXIT; {script}"


def run_in_container(
    cluster: Cluster,
    workload: str,
    *,
    secret: str,
    script: str,
    arguments: tuple[str, ...],
    hint: str,
) -> int:
    """Runs a shell script in a running member of the workload; its exit status.

    script: with $SECRET, the path of a file that holds `secret`. arguments: $0 and those that
    follow. hint: how to have the program on this machine instead.
    """
    container = first_running(cluster, workload)
    if container is None:
        raise OperationFailed(f"no {workload} container of stack {cluster.stack} runs")
    into = container.command_line()
    if shutil.which(into[0]) is None:
        raise UserError(f"neither {arguments[0]} nor the {into[0]} command is installed: {hint}")
    path = f"/tmp/.secret-{os.getpid()}"
    placed = subprocess.run(
        [*into, "sh", "-c", f"umask 077; cat > {path}"],
        input=secret,
        text=True,
        check=False,
    )
    if placed.returncode:
        raise OperationFailed(f"{arguments[0]} could not be prepared (see above)")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    command = container.command_line(terminal=terminal, environment={"SECRET": path})
    command += ["sh", "-c", SCRIPT.format(script=script), *arguments]
    return subprocess.run(command, check=False).returncode
