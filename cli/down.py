"""selfmonitor down"""

import click

from cli.apply import applier
from cli.confirm import confirm
from cli.console import Steps
from cli.host import docker_engine
from cli.project import Project, current_project

# On Kubernetes everything that holds data is protected, or left behind on purpose.
DELETE_ON_KUBERNETES = (
    "down stops it there, and who means its data deletes the namespace (kubectl delete namespace) "
    "and lifts the vault's protection by hand"
)


def warning(project: Project, *, keep_vault: bool) -> str:
    """What is about to be deleted, and what is not."""
    if keep_vault:
        return (
            f"This deletes all data of both databases of stack {project.stack}. The backups in "
            "both vaults, the passwords and the keys are kept: up --from-backup brings back what "
            "the vault holds, and no more."
        )
    return (
        f"This deletes all data of stack {project.stack}, every backup in both vaults, and all "
        "passwords and keys. Nothing brings them back. (--keep-vault keeps the backups.)"
    )


@click.command()
@click.option("--volumes", is_flag=True, help="Delete data, backups, passwords and keys as well.")
@click.option("--keep-vault", is_flag=True, help="With --volumes: keep backups, passwords, keys.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.pass_context
def down(context: click.Context, volumes: bool, keep_vault: bool, yes: bool) -> None:
    """Stop the stack and remove its containers and networks. Data and passwords stay."""
    if keep_vault and not volumes:
        raise click.UsageError("--keep-vault goes with --volumes; without it all data is kept")
    project = current_project(context)
    if volumes:
        project.must_be_on_docker(
            "down --volumes", DELETE_ON_KUBERNETES.format(stack=project.stack)
        )
    client = None if project.on_kubernetes else docker_engine.require()
    if volumes:
        confirm(
            project.stack,
            warning(project, keep_vault=keep_vault),
            "nothing was deleted",
            yes=yes,
        )
    steps = Steps()
    with project.lock():
        applier(project, client).down(steps, volumes=volumes, keep_vault=keep_vault)
    kept = "; data and passwords are kept, up brings it back"
    if volumes:
        kept = "; the vaults, passwords and keys are kept, up --from-backup brings it back"
    click.echo(f"stack {project.stack} is down{kept if keep_vault or not volumes else ''}")
