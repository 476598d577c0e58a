"""selfmonitor preview"""

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cli import policy_pack, preview_markdown
from cli.apply import Plan, applier
from cli.errors import UserError
from cli.host import docker_engine
from cli.preview_texts import NOT_COMPARED, findings, policies_in_short, resource_of, summary
from cli.project import PROJECT, Project, current_project
from standalone.plan import Action, Change
from standalone.plan import Step as PlanStep

if TYPE_CHECKING:
    from policies.evaluate import Evaluation

MARKS = {
    Action.CREATE: ("+", "green"),
    Action.REPLACE: ("±", "yellow"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.REGISTER: ("·", "dim"),
    Action.UNCHANGED: (" ", "dim"),
}


def plan_of(project: Project, *, offline: bool) -> Plan:
    """What `up` would do. Raises UserError, SettingsError or OperationFailed."""
    _ = project.settings
    if offline or (project.on_kubernetes and not shutil.which("pulumi")):
        return declared(project)
    return applier(project, None if project.on_kubernetes else docker_engine.require()).plan()


def declared(project: Project) -> Plan:
    """What would be registered: there is nobody who could compare it with what there is."""
    import pulumi

    from standalone.declared import declare

    try:
        found = declare(project.root, project.configuration, PROJECT, project.stack)
    except pulumi.RunError as error:
        raise UserError(str(error)) from None
    steps = (
        PlanStep(each.request.type.rpartition(":")[2], each.request.name, Change(Action.REGISTER))
        for each in found.registered
        if each.request.custom and not each.request.type.startswith("pulumi:providers:")
    )
    judged = policy_pack.judge(project, found.registered)
    return Plan(tuple(steps), judged, tuple(found.warnings))


def as_json(stack: str, environment: str, plan: Plan) -> str:
    """{"stack", "compared", "steps": [{"action", "kind", "name", "reason"}], "summary": {action:
    count}, "warnings": [text], "policies": {"environment", "blocks", "violations": [{"control",
    "resource", "mandatory", "text"}], "waiting": [{"control", "text"}]}}

    compared: with what there is; otherwise every action is "register".
    """
    steps = [
        {
            "action": step.change.action.value,
            "kind": step.kind,
            "name": step.name,
            "reason": step.change.reason,
        }
        for step in plan.steps
    ]
    found = {
        "stack": stack,
        "compared": plan.compared,
        "steps": steps,
        "summary": summary(plan.steps),
        "warnings": list(plan.warnings),
        "policies": {"environment": environment, **_judged(plan.judged)},
    }
    return json.dumps(found, indent=2)


def _judged(judged: "Evaluation") -> dict[str, Any]:
    return {
        "blocks": judged.blocks,
        "violations": [
            {
                "control": each.control,
                "resource": resource_of(each),
                "mandatory": each.mandatory,
                "text": each.text,
            }
            for each in judged.violations
        ],
        "waiting": [{"control": each.control, "text": each.text} for each in judged.waiting],
    }


def show(plan: Plan, environment: str, *, everything: bool) -> None:
    """For a person at a terminal."""
    for step in plan.steps:
        if step.change.action is Action.UNCHANGED and not everything:
            continue
        mark, colour = MARKS[step.change.action]
        line = f"{mark} {step.change.action.value:9}  {step.kind:11}  {step.name}"
        line += f"  ({step.change.reason})" if step.change.reason else ""
        style = {"dim": True} if colour == "dim" else {"fg": colour}
        click.secho(line, **style)
    counts = summary(plan.steps)
    click.echo(", ".join(f"{number} {action}" for action, number in counts.items() if number))
    if not plan.compared:
        click.echo(NOT_COMPARED)
    for warning in plan.warnings:
        click.secho(f"warning: {warning}", fg="yellow")
    for finding in findings(plan.judged):
        click.echo()
        level, colour = ("mandatory", "red") if finding.mandatory else ("advisory", "yellow")
        click.secho(f"{finding.control}  {level}", fg=colour)
        click.echo(f"  {finding.what}")
        for text in finding.texts:
            click.echo(f"  {text}")
    for each in plan.judged.waiting:
        click.secho(f"{each.control}  {each.text}", dim=True)
    click.echo()
    click.echo(policies_in_short(plan.judged, environment))


@click.command()
@click.option("--stack", help="The stack; the same as -s before the command.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text")
@click.option("--offline", is_flag=True, help="Ask nobody: show what would be registered.")
@click.option("--all", "everything", is_flag=True, help="List unchanged resources as well.")
@click.pass_context
def preview(
    context: click.Context, stack: str | None, output: str, offline: bool, everything: bool
) -> int:
    """Show what up would do and what the policies say of it, and change nothing.

    Exit status: 0, 1 when a policy forbids it, 2 when something given was wrong. With -o markdown
    it is the comment on a pull request. --offline takes neither the Pulumi CLI nor Docker.
    """
    project = current_project(context)
    if stack is not None:
        project = replace(project, stack=stack)
    environment = policy_pack.environment(project)
    plan = plan_of(project, offline=offline)
    if output == "json":
        click.echo(as_json(project.stack, environment, plan))
    elif output == "markdown":
        click.echo(preview_markdown.comment(project.stack, environment, plan))
    else:
        show(plan, environment, everything=everything)
    return 1 if plan.judged.blocks else 0
