"""A member's container on Docker."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cli.containers import CannotBeAsked, Conversation
from platforms.docker_names import LABEL_ADDRESSES, LABEL_MEMBER, LABEL_WORKLOAD


class DockerContainer:
    """See cli.containers.Container. raw: docker-py's own, as listed or as inspected."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the container."""
        # docker-py has them in another place of what is only listed.
        found: Mapping[str, str] = self.raw.attrs.get("Labels") or self.raw.labels
        return found

    @property
    def member(self) -> str:
        return self.labels[LABEL_MEMBER]

    @property
    def workload(self) -> str:
        return self.labels[LABEL_WORKLOAD]

    @property
    def state(self) -> str:
        found = self.raw.attrs["State"]
        return str(found["Status"] if isinstance(found, dict) else found)

    @property
    def health(self) -> str:
        """Of one that was listed: Docker's word stands in “Up 5 minutes (healthy)”."""
        text = str(self.raw.attrs.get("Status", ""))
        word = text.rpartition("(")[2].rstrip(")") if "(" in text else ""
        return word if word in ("healthy", "unhealthy") else ""

    @property
    def address(self) -> str:
        (found,) = json.loads(self.labels[LABEL_ADDRESSES]).values()
        return str(found)

    def exec_run(self, command: list[str], **how: Any) -> Any:
        import docker.errors

        try:
            return self.raw.exec_run(command, **how)
        except docker.errors.DockerException as error:
            raise CannotBeAsked(getattr(error, "explanation", None) or str(error)) from None

    def converse(self, command: list[str]) -> Conversation:
        return _Attached(self.raw, command)

    def logs(self, *, tail: int, follow: bool = False) -> Iterator[bytes]:
        if follow:
            yield from self.raw.logs(stream=True, follow=True, tail=tail)
        else:
            yield self.raw.logs(tail=tail)

    def command_line(
        self, *, terminal: bool = False, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        return [
            *("docker", "exec", "-it" if terminal else "-i"),
            *(word for each in variables for word in ("-e", each)),
            self.raw.attrs["Names"][0].lstrip("/"),
        ]


class _Attached:
    """See Conversation."""

    def __init__(self, raw: Any, command: list[str]) -> None:
        api = raw.client.api
        started = api.exec_create(raw.id, command, stdin=True)
        self._socket = api.exec_start(started["Id"], socket=True)

    def send(self, data: bytes) -> None:
        getattr(self._socket, "_sock", self._socket).sendall(data)

    def said(self) -> Iterator[bytes]:
        from docker.utils.socket import frames_iter

        for _, data in frames_iter(self._socket, tty=False):  # type: ignore[no-untyped-call]
            yield data

    def close(self) -> None:
        self._socket.close()
