"""What `up` and the commands need of a stack on Kubernetes."""

import re
import shutil
from collections.abc import Iterator

from cli import before_up
from cli.errors import OperationFailed, UserError
from cli.kubernetes_cluster import KubernetesCluster, kubernetes_settings, open_on_kubernetes
from cli.project import Project
from cli.result import Result
from settings.unfilled import is_unfilled

# ordinals.start of a StatefulSet, which the members' names need, is stable since then.
OLDEST = (1, 31)


def examine_on_kubernetes(project: Project) -> Iterator[Result]:
    """Every check, in the order in which `up` would stumble over them."""
    yield from before_up.values(project.settings)
    pulumi = shutil.which("pulumi")
    get = "https://www.pulumi.com/docs/iac/download-install/"
    found = pulumi or "not installed: nothing can be applied"
    yield Result("Pulumi CLI", found, "" if pulumi else get)
    yield before_up.images(project)
    yield from before_up.credentials(project.settings)
    if is_unfilled(kubernetes_settings(project).context):
        return
    try:
        cluster = open_on_kubernetes(project)
    except UserError as error:
        yield Result("cluster", "no way to it", str(error))
        return
    try:
        version = cluster.version()
    except OperationFailed as error:
        yield Result("cluster", "no answer", str(error))
        return
    oldest = ".".join(map(str, OLDEST))
    fix = "" if _new_enough(version) else f"{oldest} or newer is needed"
    yield Result("cluster", version, fix)
    yield from _storage(project, cluster)
    if pulumi or project.state_file.exists():
        try:
            there = bool(cluster.outputs())
            yield Result("state", "readable" if there else "none yet")
        except (UserError, OperationFailed) as error:
            yield Result("state", "not usable", str(error))
    if not cluster.containers():
        yield Result("stack", "not up")
        return
    status = cluster.postgres_status()
    if status.healthy:
        yield Result("stack", f"healthy, primary {status.leader}")
        return
    states = ", ".join(f"{member.name} {member.state}" for member in status.members)
    yield Result("stack", states, "./selfmonitor status; ./selfmonitor logs MEMBER")


def _storage(project: Project, cluster: KubernetesCluster) -> Iterator[Result]:
    wanted = kubernetes_settings(project).storage_class
    if is_unfilled(wanted):
        return
    try:
        classes = cluster.storage_classes()
    except OperationFailed as error:
        # Who may do all in a namespace may still not look at what is the cluster's.
        yield Result("storage", f"not looked at: {error}")
        return
    yield from before_up.storage(wanted, classes)


def _new_enough(version: str) -> bool:
    """v1.34.4, or with a provider's suffix."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) >= OLDEST
