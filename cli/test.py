"""selfmonitor test"""

import os
import subprocess
import sys

import click

from cli.console import Steps
from cli.errors import OperationFailed
from cli.host import base_image, certificates, docker_engine
from cli.project import current_project

LINTERS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--unit", is_flag=True, help="Leave out the system tests: no Docker, no network.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def test(context: click.Context, unit: bool, arguments: tuple[str, ...]) -> int:
    """Prove the project: linters, types, unit tests, and drills on a real stack of its own.

    ARGUMENTS go to pytest. Whatever the system tests need is installed as `up` would.
    """
    project = current_project(context)
    steps = Steps()
    for title, command in LINTERS.items():
        with steps.step(title):
            done = subprocess.run(
                [sys.executable, "-m", *command],
                cwd=project.root,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                lines = (done.stdout + done.stderr).splitlines()
                raise OperationFailed(f"{title} found something", tuple(lines[-40:]))
    if not unit:
        with steps.step("Docker Engine") as step:
            client = docker_engine.ensure(step)
        certificates.hand_over(project.root / "images" / "base" / "ca-certificates")
        with steps.step("base image") as step:
            base_image.ensure(client, step)
    for selection in _runs(unit, arguments):
        command = [sys.executable, "-m", "pytest", *selection]
        code = subprocess.run(command, cwd=project.root, check=False).returncode
        if code:
            return code
    return 0


def _runs(unit: bool, arguments: tuple[str, ...]) -> list[list[str]]:
    """The arguments of each run of pytest.

    What needs no stack comes first, on every processor, each module on one; then what does, so that
    neither has to share the machine with the other. Who gives arguments is given one run.
    """
    if arguments:
        return [[*(["-m", "not system"] if unit else []), *arguments]]
    spread = ["-n", str(os.cpu_count() or 1), "--dist", "loadscope"]
    units = [["-m", "not system", *spread]]
    return units if unit else [*units, ["-m", "system"]]
