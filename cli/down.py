"""selfmonitor down"""

import click

from cli.apply import applier
from cli.console import Steps
from cli.errors import UserError
from cli.host import docker_engine
from cli.project import Project, current_project


def confirm(project: Project, *, yes: bool) -> None:
    """The stack's name, typed. Raises UserError when it is not."""
    if yes:
        return
    click.echo(
        f"This deletes all data, passwords and keys of stack {project.stack}. "
        "Nothing brings them back.",
        err=True,
    )
    try:
        typed = click.prompt(f"Type {project.stack} to go on", err=True, default="")
    except click.Abort:
        typed = ""
    if typed != project.stack:
        raise UserError("not confirmed: nothing was deleted")


@click.command()
@click.option("--volumes", is_flag=True, help="Delete data, passwords and keys as well.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.pass_context
def down(context: click.Context, volumes: bool, yes: bool) -> None:
    """Stop the stack and remove its containers and networks. Data and passwords stay."""
    project = current_project(context)
    client = docker_engine.require()
    if volumes:
        confirm(project, yes=yes)
    steps = Steps()
    with project.lock():
        applier(project, client).down(steps, volumes=volumes)
    kept = "" if volumes else "; data and passwords are kept, up brings it back"
    click.echo(f"stack {project.stack} is down{kept}")
