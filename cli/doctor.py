"""selfmonitor doctor"""

import datetime
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace

import click

from cli.apply import applier
from cli.docker_cluster import DockerCluster
from cli.errors import UserError
from cli.host import base_image, checks, docker_engine
from cli.project import PROJECT, Project, current_project
from cli.result import Result
from settings.errors import SettingsError


def _engine_fix() -> str:
    if shutil.which("dockerd"):
        return "./selfmonitor up as root starts it, or: sudo systemctl start docker"
    if docker_engine.os_family() == "debian":
        if os.geteuid() == 0:
            return "./selfmonitor up installs it"
        return docker_engine.INSTALL_COMMANDS
    return "https://docs.docker.com/engine/install/"


def examine(project: Project) -> Iterator[Result]:
    """Every check, in the order in which `up` would stumble over them."""
    yield Result("Python", sys.version.split()[0])
    try:
        settings = project.settings
        yield Result("stack file", f"stack {project.stack} is well formed")
    except SettingsError as error:
        yield Result("stack file", str(error), "correct it; every key is in settings/schema.json")
        return
    if project.on_kubernetes:
        from cli.kubernetes_doctor import examine_on_kubernetes

        yield from examine_on_kubernetes(project)
        return
    try:
        client = docker_engine.connect()
    except UserError as error:
        yield Result("Docker Engine", "not allowed", str(error))
        return
    if client is None:
        yield Result("Docker Engine", "does not answer", _engine_fix())
    else:
        yield Result("Docker Engine", client.version()["Version"])
    found: dict[str, list[checks.Finding]] = {name: [] for name in checks.CHECKS}
    for name, finding in checks.findings(client, project.stack, settings):
        found[name].append(finding)
    for name, findings in found.items():
        if not findings:
            yield Result(name, "fine")
        for finding in findings:
            yield Result(name, finding.problem, finding.fix)
    if client is None:
        return
    there = base_image.is_there(client)
    yield Result("base image", "there" if there else "not there yet; up pulls or makes it")
    pulumi = shutil.which("pulumi")
    yield Result("Pulumi CLI", pulumi or "not installed; up works without it")
    try:
        applier(project, client).outputs()
        yield Result("state", "readable" if project.directory.exists() else "none yet")
    except UserError as error:
        yield Result("state", "not usable", str(error))
    yield from _certificates(project)
    cluster = DockerCluster(project, client)
    if not cluster.containers():
        yield Result("stack", "not up")
        return
    status = cluster.postgres_status()
    if status.healthy:
        yield Result("stack", f"healthy, primary {status.leader}")
    else:
        states = ", ".join(f"{member.name} {member.state}" for member in status.members)
        yield Result(
            "stack", states, "./selfmonitor up wakes what stopped; ./selfmonitor logs MEMBER"
        )


def _certificates(project: Project) -> Iterator[Result]:
    """Expiry of the stack's certificates, as far as the state here tells."""
    if not project.state_file.exists():
        return
    from standalone.state import State, StateError

    try:
        resources = State(project.state_file, PROJECT, project.stack).resources
    except StateError:
        return
    ends = [
        datetime.datetime.fromisoformat(entry["outputs"]["validityEndTime"])
        for entry in resources.values()
        if "validityEndTime" in entry["outputs"]
    ]
    if not ends:
        return
    left = (min(ends) - datetime.datetime.now(datetime.UTC)).days
    found = f"the first expires on {min(ends):%Y-%m-%d}, in {left} days"
    due = left < project.settings.certificates.renew_before_days
    yield Result("certificates", found, "./selfmonitor up renews it" if due else "")


@click.command()
@click.option("-s", "--stack", help="The stack, as before the command.")
@click.pass_context
def doctor(context: click.Context, stack: str | None) -> int:
    """Check this machine and the stack. Exit status 0: nothing to mend, 1: see the fixes.

    Of a stack on Kubernetes: every value that is still to be filled in, with how to find it.
    """
    project = current_project(context)
    if stack is not None:
        project = replace(project, stack=stack)
    results = []
    for result in examine(project):
        results.append(result)
        click.secho("✓ " if result.fine else "✗ ", fg="green" if result.fine else "red", nl=False)
        click.echo(f"{result.check:14} {result.found}")
        if not result.fine:
            click.echo(f"  {'':14} → {result.fix}")
    return 0 if all(result.fine for result in results) else 1
