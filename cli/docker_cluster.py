"""A stack on Docker."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from cli.cluster import Cluster
from cli.containers import Container
from cli.docker_container import DockerContainer
from cli.errors import OperationFailed, UserError
from cli.project import Project
from platforms.docker_names import (
    LABEL_ADDRESSES,
    LABEL_MEMBER,
    LABEL_ROLE,
    LABEL_STACK,
    LABEL_WORKLOAD,
    ROLE_FAULT,
    ROLE_SERVER,
    object_name,
)
from platforms.workload import Segment

if TYPE_CHECKING:
    import docker

# A cut nobody undoes, because the drill was killed, ends by itself after this time.
LONGEST_CUT_SECONDS = 600
CUT_SECONDS = 10


class DockerCluster(Cluster):
    """See Cluster."""

    beside_router: ClassVar[Mapping[Segment, str]] = {
        Segment.DATA: "postgres",
        Segment.CACHE: "redis",
    }

    def __init__(self, project: Project, client: "docker.DockerClient") -> None:
        super().__init__(project)
        self._client = client

    # What there is.

    def _listed(self, workload: str | None = None) -> list[DockerContainer]:
        labels = [f"{LABEL_STACK}={self.stack}", f"{LABEL_ROLE}={ROLE_SERVER}"]
        if workload is not None:
            labels.append(f"{LABEL_WORKLOAD}={workload}")
        found = self._client.containers.list(all=True, filters={"label": labels}, sparse=True)
        return sorted(map(DockerContainer, found), key=lambda each: each.member)

    def containers(self, workload: str | None = None) -> list[Container]:
        return list(self._listed(workload))

    def container(self, member: str) -> DockerContainer:
        labels = [f"{LABEL_STACK}={self.stack}", f"{LABEL_MEMBER}={member}"]
        labels.append(f"{LABEL_ROLE}={ROLE_SERVER}")
        found = self._client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        if found:
            return DockerContainer(found[0])
        raise self._no_such(member)

    # How to reach it.

    def endpoints(self) -> dict[str, list[str]]:
        settings = self.project.settings
        routers = settings.postgres.routers
        host = settings.bind_address
        return {
            "read_write": [f"{host}:{port}" for port in routers.published(routers.read_write_port)],
            "read_only": [f"{host}:{port}" for port in routers.published(routers.read_only_port)],
            "redis": [f"{host}:{port}" for port in settings.redis_ports],
        }

    def way_in(self, endpoint: Mapping[str, Any], workload: str = "router") -> dict[str, str]:
        return {"host": str(endpoint["host"]), "port": str(int(endpoint["port"]))}

    def way_beside(self) -> dict[str, str]:
        settings = self.project.settings
        return {"host": str(settings.bind_address), "port": str(settings.backup.side_port)}

    def router_inside(self, published_port: str, segment: Segment) -> dict[str, str]:
        for container in self._listed("router"):
            for port in container.raw.attrs["Ports"]:
                if str(port.get("PublicPort")) == published_port:
                    name = container.member
                    address = self.address(name, segment)
                    return {"host": name, "hostaddr": address, "port": str(port["PrivatePort"])}
        raise OperationFailed(f"no router publishes port {published_port}: ./selfmonitor status")

    def address(self, member: str, segment: Segment) -> str:
        addresses = json.loads(self.container(member).labels[LABEL_ADDRESSES])
        network = object_name(self.stack, segment.value)
        if network not in addresses:
            raise UserError(f"{member} is not in the segment {segment.value}")
        return str(addresses[network])

    def _read_outputs(self) -> dict[str, Any]:
        from cli.apply import applier

        return applier(self.project, self._client).outputs()

    # Faults.

    def kill(self, member: str) -> None:
        container = self.container(member).raw
        if container.status == "paused":
            container.unpause()
        container.kill(signal="SIGKILL")
        container.wait(timeout=30)

    def start(self, member: str) -> None:
        container = self.container(member).raw
        if container.status not in ("running", "paused"):
            container.start()

    def restart(self, member: str) -> None:
        container = self.container(member).raw
        container.restart(timeout=container.attrs["Config"].get("StopTimeout") or 10)

    def pause(self, member: str) -> None:
        self.container(member).raw.pause()

    def unpause(self, member: str) -> None:
        container = self.container(member).raw
        if container.status == "paused":
            container.unpause()

    def disconnect(self, member: str) -> None:
        container = self.container(member).raw
        self._remove_cut(member)
        cut = self._client.containers.run(
            container.attrs["Image"],
            ["/usr/local/bin/cut-off", str(LONGEST_CUT_SECONDS)],
            name=self._cut_name(member),
            labels={LABEL_STACK: self.stack, LABEL_MEMBER: member, LABEL_ROLE: ROLE_FAULT},
            network_mode=f"container:{container.id}",
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            mem_limit="64m",
            detach=True,
        )
        deadline = time.monotonic() + CUT_SECONDS
        while not cut.logs():
            if time.monotonic() >= deadline:
                raise OperationFailed(f"{member} could not be cut off within {CUT_SECONDS} s")
            time.sleep(0.02)

    def reconnect(self, member: str) -> None:
        self._remove_cut(member)

    def _remove_cut(self, member: str) -> None:
        import docker.errors

        try:
            cut = self._client.containers.get(self._cut_name(member))
        except docker.errors.NotFound:
            return
        # In order: it brings the network back as it ends.
        cut.stop(timeout=CUT_SECONDS)
        cut.remove()

    def _cut_name(self, member: str) -> str:
        return object_name(self.stack, f"{member}-cut-off")
