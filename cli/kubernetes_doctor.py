"""What `up` and the commands need of a stack on Kubernetes."""

import re
import shutil
from collections.abc import Iterator

from cli.errors import OperationFailed, UserError
from cli.kubernetes_cluster import open_on_kubernetes
from cli.project import Project

# ordinals.start of a StatefulSet, which the members' names need, is stable since then.
OLDEST = (1, 31)
Check = tuple[str, str, str]
"""What was looked at, what was found, and the fix; empty when all is well."""


def examine_on_kubernetes(project: Project) -> Iterator[Check]:
    """Every check, in the order in which `up` would stumble over them."""
    pulumi = shutil.which("pulumi")
    get = "https://www.pulumi.com/docs/iac/download-install/"
    yield "Pulumi CLI", pulumi or "not installed: nothing can be applied", "" if pulumi else get
    try:
        cluster = open_on_kubernetes(project)
    except UserError as error:
        yield "cluster", "no way to it", str(error)
        return
    try:
        version = cluster.version()
    except OperationFailed as error:
        yield "cluster", "no answer", str(error)
        return
    oldest = ".".join(map(str, OLDEST))
    yield "cluster", version, "" if _new_enough(version) else f"{oldest} or newer is needed"
    if pulumi or project.state_file.exists():
        try:
            there = bool(cluster.outputs())
            yield "state", "readable" if there else "none yet", ""
        except (UserError, OperationFailed) as error:
            yield "state", "not usable", str(error)
    if not cluster.containers():
        yield "stack", "not up", ""
        return
    status = cluster.postgres_status()
    if status.healthy:
        yield "stack", f"healthy, primary {status.leader}", ""
        return
    states = ", ".join(f"{member.name} {member.state}" for member in status.members)
    yield "stack", states, "./selfmonitor status; ./selfmonitor logs MEMBER"


def _new_enough(version: str) -> bool:
    """v1.34.4, or with a provider's suffix."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) >= OLDEST
