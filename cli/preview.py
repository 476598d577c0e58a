"""selfmonitor preview"""

import json

import click

from cli.apply import applier
from cli.host import docker_engine
from cli.project import current_project
from standalone.plan import Action
from standalone.plan import Step as PlanStep

MARKS = {
    Action.CREATE: ("+", "green"),
    Action.REPLACE: ("±", "yellow"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.UNCHANGED: (" ", "dim"),
}


def as_json(stack: str, plan: list[PlanStep]) -> str:
    """{"stack", "steps": [{"action", "kind", "name", "reason"}], "summary": {action: count}}"""
    steps = [
        {
            "action": step.change.action.value,
            "kind": step.kind,
            "name": step.name,
            "reason": step.change.reason,
        }
        for step in plan
    ]
    return json.dumps({"stack": stack, "steps": steps, "summary": summary(plan)}, indent=2)


def summary(plan: list[PlanStep]) -> dict[str, int]:
    """{action: number of resources}, every action."""
    return {action.value: sum(step.change.action is action for step in plan) for action in Action}


@click.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.option("--all", "everything", is_flag=True, help="List unchanged resources as well.")
@click.pass_context
def preview(context: click.Context, output: str, everything: bool) -> None:
    """Show what up would do, and change nothing."""
    project = current_project(context)
    _ = project.settings
    client = None if project.on_kubernetes else docker_engine.require()
    plan = applier(project, client).plan()
    if output == "json":
        click.echo(as_json(project.stack, plan))
        return
    for step in plan:
        if step.change.action is Action.UNCHANGED and not everything:
            continue
        mark, colour = MARKS[step.change.action]
        line = f"{mark} {step.change.action.value:9}  {step.kind:11}  {step.name}"
        line += f"  ({step.change.reason})" if step.change.reason else ""
        style = {"dim": True} if colour == "dim" else {"fg": colour}
        click.secho(line, **style)
    if not plan:
        return  # the Pulumi CLI has shown its own
    counts = summary(plan)
    click.echo(", ".join(f"{number} {action}" for action, number in counts.items() if number))
