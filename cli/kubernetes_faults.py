"""Pods killed and kept away, frozen, thawed: what a drill does to them, and how it is undone."""

import time
from collections.abc import Callable
from contextlib import suppress

from cli.containers import CannotBeAsked
from cli.errors import OperationFailed
from cli.kubernetes_api import KubernetesApi, Refused
from cli.kubernetes_pod import HELD, Pod

Look = Callable[[], Pod]
"""The pod of that name as it is now."""

# Every process of the container but the first, which looks after the others and does nothing else,
# and the shell that says so. The first cannot be sent these from inside, whoever sends them.
KILL = "kill -KILL -1"
FREEZE = "kill -STOP -1"
THAW = "kill -CONT -1"

# From the kill until the kubelet has noticed; it looks every second.
DEAD_SECONDS = 30
# Beyond its own grace period, what may pass until a pod's successor is made.
SUCCESSOR_SECONDS = 60
POLL_SECONDS = 0.2
MARK_TRIES = 5
CONFLICT = 409


def kill(api: KubernetesApi, look: Look) -> None:
    """SIGKILL to all in the pod, which then stays away until `release`. Raises OperationFailed.

    A StatefulSet's pod is made anew as soon as its name is free. A finalizer of ours keeps the name
    taken, of this one pod and on this one object: no node is cordoned, and no other pod notices.
    """
    pod = look()
    if pod.manifest is None:
        raise OperationFailed(f"{pod.member} has no pod to kill: ./selfmonitor status")
    _mark(api, look, held=True)
    # The shell may die with the container. Where it was not reached, the kubelet kills in a second.
    with suppress(CannotBeAsked):
        # First: what is asked to go runs its preStop hook, which is an orderly way to hand over.
        pod.exec_run(["/bin/sh", "-c", KILL])
    api.delete("pods", pod.member, grace_seconds=0)
    deadline = time.monotonic() + DEAD_SECONDS
    while _lives(look()):
        if time.monotonic() >= deadline:
            raise OperationFailed(f"{pod.member} is not dead {DEAD_SECONDS} s after its kill")
        time.sleep(POLL_SECONDS)


def _lives(pod: Pod) -> bool:
    return "running" in (pod.container_status.get("state") or {})


def release(api: KubernetesApi, look: Look) -> None:
    """Lets go of a pod that was killed; nothing to do for one that was not, or is gone."""
    _mark(api, look, held=False)


def _mark(api: KubernetesApi, look: Look, *, held: bool) -> None:
    """Others' marks are left alone. A list is replaced as a whole: only if nobody has changed the
    pod since it was seen, as Patroni does every two seconds.
    """
    for left in reversed(range(MARK_TRIES)):
        pod = look()
        if pod.manifest is None or pod.held is held:
            return
        finalizers = [*(each for each in pod.finalizers if each != HELD), *([HELD] if held else ())]
        version = pod.manifest["metadata"]["resourceVersion"]
        change = {"metadata": {"finalizers": finalizers or None, "resourceVersion": version}}
        try:
            api.patch("pods", pod.member, change)
            return
        except Refused as refused:
            if refused.status != CONFLICT or not left:
                raise


def restart(api: KubernetesApi, look: Look) -> None:
    """Has the pod stop in order, with its own grace period, and waits for its successor.

    Raises OperationFailed.
    """
    pod = look()
    if pod.manifest is None:
        raise OperationFailed(f"{pod.member} has no pod to restart: ./selfmonitor status")
    seconds = int(pod.manifest["spec"]["terminationGracePeriodSeconds"]) + SUCCESSOR_SECONDS
    api.delete("pods", pod.member)
    deadline = time.monotonic() + seconds
    while look().uid in (None, pod.uid):
        if time.monotonic() >= deadline:
            raise OperationFailed(f"{pod.member} has no successor {seconds} s after its restart")
        time.sleep(POLL_SECONDS)


def freeze(pod: Pod) -> None:
    """Stops every process of the pod where it stands. Raises OperationFailed."""
    try:
        result = pod.exec_run(["/bin/sh", "-c", FREEZE])
    except CannotBeAsked as error:
        raise OperationFailed(f"{pod.member} cannot be frozen: {error}") from None
    if result.exit_code:
        raise OperationFailed(
            f"{pod.member} cannot be frozen: {result.output.decode(errors='replace').strip()}"
        )


def thaw(look: Look) -> None:
    """Lets them go on; nothing to do for those that run, or are gone. Raises OperationFailed."""
    pod = look()
    if not _lives(pod):
        return
    try:
        pod.exec_run(["/bin/sh", "-c", THAW])
    except CannotBeAsked as error:
        if look().uid == pod.uid and _lives(look()):
            raise OperationFailed(f"{pod.member} cannot be thawed: {error}") from None
