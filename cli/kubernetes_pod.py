"""A member's container on Kubernetes: that of a pod, which may be gone for the moment."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from cli.containers import CannotBeAsked, Conversation
from cli.kubernetes_api import KubernetesApi, Manifest

# A drill's own mark on a pod: its name stays taken until the mark is taken away, and nobody makes
# the pod anew.
HELD = "selfmonitor.io/held-by-drill"


class Pod:
    """See cli.containers.Container.

    manifest: None while there is no pod of that name. kubectl: how a person's commands begin.
    frozen: a drill has stopped its processes, which the API does not know.
    """

    def __init__(
        self,
        api: KubernetesApi,
        member: str,
        workload: str,
        manifest: Manifest | None,
        *,
        kubectl: tuple[str, ...] = ("kubectl",),
        frozen: bool = False,
    ) -> None:
        self._api = api
        self.member = member
        self.workload = workload
        self.manifest = manifest
        self._kubectl = kubectl
        self._frozen = frozen

    @property
    def address(self) -> str:
        """The member's name, which is a Service's and stays."""
        return self.member

    @property
    def uid(self) -> str | None:
        """Which pod of that name it is."""
        return self.manifest["metadata"]["uid"] if self.manifest else None

    @property
    def held(self) -> bool:
        """Whether a drill keeps it from coming back."""
        return HELD in self.finalizers

    @property
    def finalizers(self) -> list[str]:
        """Who must agree before its name is free."""
        return list((self.manifest or {}).get("metadata", {}).get("finalizers") or ())

    @property
    def container_status(self) -> Manifest:
        """What the kubelet says of the container; empty before it says anything."""
        for each in (self.manifest or {}).get("status", {}).get("containerStatuses") or ():
            if each["name"] == self.workload:
                return dict(each)
        return {}

    @property
    def state(self) -> str:
        if self.manifest is None:
            return "missing"
        found = self.container_status.get("state") or {}
        going = "deletionTimestamp" in self.manifest["metadata"]
        if "running" in found and not (going and self.held):
            return "paused" if self._frozen else "running"
        if going:
            return "killed" if self.held else "terminating"
        if "waiting" in found:
            return str(found["waiting"].get("reason") or "waiting")
        if "terminated" in found:
            return str(found["terminated"].get("reason") or "terminated")
        return self._why_not_placed()

    def _why_not_placed(self) -> str:
        assert self.manifest is not None
        for condition in self.manifest.get("status", {}).get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return str(condition.get("reason") or "not placed")
        return str(self.manifest.get("status", {}).get("phase") or "unknown").lower()

    @property
    def health(self) -> str:
        if not self.container_status.get("started"):
            return ""
        return "healthy" if self.container_status.get("ready") else "unhealthy"

    def exec_run(
        self, command: list[str], *, demux: bool = False, stream: bool = False, stderr: bool = True
    ) -> Any:
        exchange = self._begin(command)
        pieces = exchange.pieces()
        if stream:
            return SimpleNamespace(
                exit_code=None, output=_streamed(pieces, demux=demux, stderr=stderr)
            )
        out, complaint, both = bytearray(), bytearray(), bytearray()
        try:
            for said, complained in pieces:
                out += said or b""
                complaint += complained or b""
                both += (said or b"") + ((complained or b"") if stderr else b"")
            status = exchange.status()
        finally:
            exchange.close()
        apart = (bytes(out) or None, bytes(complaint) or None)
        return SimpleNamespace(exit_code=status, output=apart if demux else bytes(both))

    def _begin(self, command: list[str], *, stdin: bool = False) -> Any:
        if self.manifest is None:
            raise CannotBeAsked("it has no pod at the moment")
        return self._api.execute(self.member, self.workload, command, stdin=stdin)

    def converse(self, command: list[str]) -> Conversation:
        found: Conversation = self._begin(command, stdin=True)
        return found

    def logs(self, *, tail: int, follow: bool = False) -> Iterator[bytes]:
        yield from self._api.log(self.member, self.workload, tail=tail, follow=follow)

    def command_line(
        self, *, terminal: bool = False, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        return [
            *(*self._kubectl, "exec", "-it" if terminal else "-i", self.member),
            *("-c", self.workload, "--"),
            *(["env", *variables] if variables else []),
        ]


def _streamed(
    pieces: Iterator[tuple[bytes | None, bytes | None]], *, demux: bool, stderr: bool
) -> Iterator[Any]:
    # Who follows a command has it say how it ended; one that breaks off has not.
    with suppress(CannotBeAsked):
        for said, complained in pieces:
            if demux:
                yield said, complained if stderr else None
            else:
                yield from (each for each in (said, complained if stderr else None) if each)
