"""A pod cut from the network, and connections that a new policy leaves open."""

import os
import shlex
import subprocess
import time
from collections.abc import Sequence

from cli.containers import CannotBeAsked
from cli.errors import OperationFailed
from cli.kubernetes_api import KubernetesApi
from cli.kubernetes_pod import Pod
from platforms.kubernetes_names import LABEL_NETWORK, NETWORK_JOINED

# Many networks leave a connection open that a new policy would not let begin. A command that ends
# those of a pod, where there is one; it gets the namespace, the pod, and the addresses to which the
# way is cut, or none where every way is.
CUT_COMMAND = "SELFMONITOR_CUT_CONNECTIONS"
CUT_COMMAND_SECONDS = 30
# How long a change of policy may take to reach the pod's node.
EFFECTIVE_SECONDS = 15.0
POLL_SECONDS = 0.1
# Whether a connection can be made from inside: to an address, since names are cut off as well.
TRY = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5).close()\n"
    "except OSError: sys.exit(1)\n"
)


def leave(api: KubernetesApi, pod: Pod, others: Sequence[Pod]) -> None:
    """Takes the label away by which policies let the pod use the network.

    others: pods it may connect to otherwise. Returns once it cannot. Raises OperationFailed.
    """
    before = _reached_from(pod, others)
    api.patch("pods", pod.member, {"metadata": {"labels": {LABEL_NETWORK: None}}})
    if before is not None:
        until_unreachable(pod, *before)
    cut_connections(api.namespace, pod.member)


def rejoin(api: KubernetesApi, member: str) -> None:
    """Gives it back; does nothing to a pod that has it, or is gone."""
    api.patch("pods", member, {"metadata": {"labels": {LABEL_NETWORK: NETWORK_JOINED}}})


def until_unreachable(pod: Pod, address: str, port: int) -> None:
    """Waits until no connection can be made from a pod to there. Raises OperationFailed."""
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while reaches(pod, address, port):
        if time.monotonic() >= deadline:
            raise OperationFailed(
                f"{pod.member} still reaches {address}:{port} after {EFFECTIVE_SECONDS:.0f} s: "
                "does the cluster's network enforce NetworkPolicy?"
            )
        time.sleep(POLL_SECONDS)


def reaches(pod: Pod, address: str, port: int) -> bool:
    """Whether a connection can be made from a pod; no, where it cannot be asked."""
    try:
        return bool(pod.exec_run(["python3", "-c", TRY, address, str(port)]).exit_code == 0)
    except CannotBeAsked:
        return False


def _reached_from(pod: Pod, others: Sequence[Pod]) -> tuple[str, int] | None:
    """(address, port) of one of them that it reaches now; None: there is nothing to see it by."""
    for other in others:
        address = (other.manifest or {}).get("status", {}).get("podIP")
        if other.state == "running" and address:
            for container in (other.manifest or {})["spec"]["containers"]:
                for port in container.get("ports") or ():
                    if reaches(pod, address, port["containerPort"]):
                        return address, port["containerPort"]
    return None


def cut_connections(namespace: str, member: str, *addresses: str) -> None:
    """Runs the command that ends a pod's established connections, where there is one.

    addresses: those to these alone. Raises OperationFailed when it fails.
    """
    command = shlex.split(os.environ.get(CUT_COMMAND, ""))
    if not command:
        return
    try:
        done = subprocess.run(
            [*command, namespace, member, *addresses],
            capture_output=True,
            text=True,
            timeout=CUT_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationFailed(f"{CUT_COMMAND}: {error}") from None
    if done.returncode:
        raise OperationFailed(
            f"{CUT_COMMAND} ended with {done.returncode}", tuple(done.stderr.splitlines()[-5:])
        )
