"""A Docker Engine in memory, and small programs to apply to it."""

import contextvars
import gc
import io
import tarfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import docker.errors
import pytest
from pulumi.runtime.settings import SETTINGS

from standalone import docker_objects
from standalone.engine import Engine
from standalone.plan import Action, Step
from standalone.state import State


@dataclass
class FakeContainer:
    """Starts at once: a server is healthy, a one-shot is done."""

    engine: "FakeDocker"
    name: str
    spec: dict[str, Any]
    networks: dict[str, str]
    status: str = "created"
    exit_code: int = 0
    restarts: int = 0
    files: dict[str, tarfile.TarInfo] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.spec["labels"]
        return found

    @property
    def attrs(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "Status": self.status,
            "ExitCode": self.exit_code,
            "StartedAt": "2026-11-23T16:32:15.586427123Z",
        }
        if self.spec["healthcheck"]:
            health = self.engine.health.get(self.name, "healthy")
            log = [{"Output": " probe says no \n"}] if health != "healthy" else []
            state["Health"] = {"Status": health, "Log": log}
        return {
            "State": state,
            "RestartCount": self.restarts,
            "NetworkSettings": {"Networks": self.networks},
        }

    def start(self) -> None:
        self.engine.did("start", self.name)
        self.exit_code = self.engine.exit_codes.get(self.name, 0)
        self.restarts = self.engine.restarts.get(self.name, 0)
        once = self.spec["host_config"]["RestartPolicy"]["Name"] == "no"
        self.status = "exited" if once else "running"

    def unpause(self) -> None:
        self.engine.did("unpause", self.name)
        assert self.status == "paused"
        self.status = "running"

    def stop(self, timeout: int = 10) -> None:
        self.engine.did("stop", self.name)
        self.status = "exited"

    def remove(self, v: bool = False, force: bool = False) -> None:
        assert force or self.status in ("created", "exited", "dead")
        self.engine.did("remove", self.name)
        del self.engine.containers_by_name[self.name]

    def logs(self, tail: int, until: float | None = None, **_: Any) -> bytes:
        lines = ["first line", f"last word of {self.name}"]
        if until is not None:
            lines = ["first line", f"why {self.name} ended before {until:.6f}"]
        return "".join(f"{line}\n" for line in lines[-tail:]).encode()


class FakeDocker:
    """The calls the applier makes. `calls` holds (what, name) of each change, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.containers_by_name: dict[str, FakeContainer] = {}
        self.networks_by_name: dict[str, Any] = {}
        self.volumes_by_name: dict[str, Any] = {}
        self.images_by_name: set[str] = set()
        self.exit_codes: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.health: dict[str, str] = {}
        self.build_error = ""
        # What it makes of arguments is the real library's.
        real = docker.APIClient(base_url="http://127.0.0.1:1", version="1.41")
        self.api = SimpleNamespace(
            build=self._build,
            create_container=self._create_container,
            connect_container_to_network=self._connect,
            put_archive=self._put_archive,
            create_host_config=real.create_host_config,
            create_endpoint_config=real.create_endpoint_config,
            create_networking_config=real.create_networking_config,
        )
        self.images = SimpleNamespace(get=self._image)
        self.networks = SimpleNamespace(
            get=lambda name: self._there(self.networks_by_name, name),
            create=self._create_network,
            list=lambda filters: self._listed(self.networks_by_name, filters),
        )
        self.volumes = SimpleNamespace(
            get=lambda name: self._there(self.volumes_by_name, name),
            create=self._create_volume,
            list=lambda filters: self._listed(self.volumes_by_name, filters),
        )
        self.containers = SimpleNamespace(
            get=lambda name: self._there(self.containers_by_name, name), list=self._containers
        )

    def did(self, what: str, name: str) -> None:
        with self.lock:
            self.calls.append((what, name))

    def _there(self, things: dict[str, Any], name: str) -> Any:
        if name not in things:
            raise docker.errors.NotFound(f"no such thing: {name}")
        return things[name]

    def _listed(self, things: dict[str, Any], filters: dict[str, Any]) -> list[Any]:
        key, _, value = filters["label"].partition("=")
        return [each for each in things.values() if each.attrs["Labels"].get(key) == value]

    def _containers(self, all: bool, filters: dict[str, Any], **_: Any) -> list[Any]:  # noqa: A002
        key, _, value = filters["label"].partition("=")
        return [
            each
            for each in list(self.containers_by_name.values())
            if each.labels.get(key) == value
            and (
                "network" not in filters or filters["network"].removeprefix("id-") in each.networks
            )
        ]

    def _image(self, name: str) -> Any:
        if name not in self.images_by_name:
            raise docker.errors.ImageNotFound(name)
        return SimpleNamespace(id=f"sha256:{name}")

    def _build(self, *, path: str, tag: str, buildargs: Any, **_: Any) -> Iterator[dict[str, str]]:
        assert Path(path, "Dockerfile").is_file(), "the context is relative to the program"
        self.did("build", tag)
        yield {"stream": "Step 1/1 : FROM scratch\n"}
        if self.build_error:
            yield {"error": self.build_error}
        self.images_by_name.add(tag)

    def _create_network(self, name: str, *, labels: Any, ipam: Any, **settings: Any) -> None:
        self.did("create network", name)

        def remove() -> None:
            assert not [c for c in self.containers_by_name.values() if name in c.networks]
            self.did("remove network", name)
            del self.networks_by_name[name]

        self.networks_by_name[name] = SimpleNamespace(
            id=f"id-{name}",
            name=name,
            attrs={"Labels": labels, "IPAM": ipam, **settings},
            remove=remove,
        )

    def _create_volume(self, name: str, labels: Any) -> None:
        self.did("create volume", name)

        def remove() -> None:
            self.did("remove volume", name)
            del self.volumes_by_name[name]

        self.volumes_by_name[name] = SimpleNamespace(
            name=name, attrs={"Labels": labels}, remove=remove
        )

    def _create_container(self, *, name: str, networking_config: Any, **spec: Any) -> Any:
        self.did("create", name)
        attached = (networking_config or {}).get("EndpointsConfig", {})
        self.containers_by_name[name] = FakeContainer(
            self,
            name,
            spec,
            {n: each["IPAMConfig"]["IPv4Address"] for n, each in attached.items()},
        )
        return {"Id": name}

    def _connect(self, container: str, network: str, ipv4_address: str) -> None:
        self.containers_by_name[container].networks[network] = ipv4_address

    def _put_archive(self, container: str, directory: str, content: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for info in archive:
                self.containers_by_name[container].files[f"{directory}/{info.name}"] = info


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    monkeypatch.setattr(docker_objects, "POLL_SECONDS", 0.002)
    return FakeDocker()


@dataclass
class Applied:
    """What one run did. outputs: the stack's own."""

    steps: list[Step]
    outputs: dict[str, Any]
    progress: list[tuple[str, str]]

    def actions(self) -> dict[str, str]:
        """“kind name” → action, with its reason; unchanged ones left out."""
        return {
            f"{step.kind} {step.name}": step.change.action.value
            + (f": {step.change.reason}" if step.change.reason else "")
            for step in self.steps
            if step.change.action is not Action.UNCHANGED
        }


@dataclass
class Bench:
    """Applies programs. `steps` holds what the last run reported, failed or not."""

    engine: FakeDocker
    root: Path
    state_file: Path
    steps: list[Step] = field(default_factory=list)

    def write(self, text: str) -> None:
        """The program, without its imports."""
        imports = (
            "import pulumi, pulumi_docker as docker, pulumi_random as random, pulumi_tls as tls"
        )
        (self.root / "__main__.py").write_text(f"{imports}\n\n{textwrap.dedent(text)}")

    def state(self) -> State:
        return State(self.state_file, "selfmonitor", "local")

    def apply(self, *, dry_run: bool = False, root: Path | None = None) -> Applied:
        # What an earlier program that failed left waiting is not this one's.
        SETTINGS.outputs.clear()
        self.steps = []
        progress: list[tuple[str, str]] = []
        found = Engine(
            self.engine,  # type: ignore[arg-type]
            self.state(),
            "local",
            dry_run=dry_run,
            report=self.steps.append,
            progress=lambda name, text: progress.append((name, text)),
        )
        try:
            # A context of its own, as a process has: the SDK keeps a run's outputs there.
            context = contextvars.copy_context()
            outputs = context.run(found.run, root or self.root, {}, "selfmonitor")
        except BaseException:
            # What hangs together with a loop that is closed is not left for a later test.
            gc.collect()
            raise
        return Applied(self.steps, outputs, progress)


@pytest.fixture
def bench(engine: FakeDocker, tmp_path: Path) -> Bench:
    root = tmp_path / "program"
    root.mkdir()
    return Bench(engine, root, tmp_path / "state" / "state.json")


@pytest.fixture
def small_program(bench: Bench) -> Callable[..., None]:
    """Writes a program of one network, two volumes, a deliverer of files and a server."""

    def write(**changes: Any) -> None:
        values = {
            "memory": 64,
            "subnet": "10.9.0.0/24",
            "text": "a = 1",
            "label": "v1",
            "server": True,
            "patience": 1,
            **changes,
        }
        bench.write(SMALL.format(**values))

    return write


SMALL = """
def labels(cls, **more):
    pairs = {{"io.selfmonitor.stack": "local", **more}}
    return [cls(label=k.replace("_", "."), value=v) for k, v in pairs.items()]

common = dict(
    image="img",
    user="10001:10001",
    capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
    security_opts=["no-new-privileges:true"],
    log_driver="json-file",
    log_opts={{"max-size": "1m"}},
)
net = docker.Network(
    "net", name="net", driver="bridge", internal=True,
    ipam_configs=[docker.NetworkIpamConfigArgs(subnet="{subnet}", gateway="10.9.0.1")],
    labels=labels(docker.NetworkLabelArgs),
)
files = docker.Volume("files", name="files", labels=labels(docker.VolumeLabelArgs))
data = docker.Volume(
    "data", name="data",
    labels=labels(docker.VolumeLabelArgs) + [
        docker.VolumeLabelArgs(label="io.selfmonitor.role", value="data")
    ],
)
password = random.RandomPassword("password", length=16, special=False)
deliver = docker.Container(
    "deliver", name="deliver", network_mode="none", restart="no", must_run=False,
    memory=32, memory_swap=32,
    uploads=[
        docker.ContainerUploadArgs(file="/staging/a.conf", content="{text}", permissions="0444"),
        docker.ContainerUploadArgs(
            file="/staging/secret", content=pulumi.Output.secret(password.result),
            permissions="0444",
        ),
    ],
    volumes=[docker.ContainerVolumeArgs(
        volume_name=files.name, container_path="/etc/x", read_only=False)],
    labels=labels(docker.ContainerLabelArgs),
    **common,
)
if {server}:
    docker.Container(
        "server", name="server", restart="unless-stopped", must_run=True,
        memory={memory}, memory_swap={memory},
        cpus="1.5", cpu_shares=256,
        read_only=True, wait=True, wait_timeout={patience}, hostname="server",
        networks_advanced=[
            docker.ContainerNetworksAdvancedArgs(name=net.name, ipv4_address="10.9.0.5")
        ],
        volumes=[
            docker.ContainerVolumeArgs(
                volume_name=files.name, container_path="/etc/x", read_only=True),
            docker.ContainerVolumeArgs(
                volume_name=data.name, container_path="/data", read_only=False),
        ],
        ports=[docker.ContainerPortArgs(internal=1, external=2, ip="127.0.0.1", protocol="tcp")],
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=["CMD", "x"], interval="3s", timeout="2s", retries=3, start_period="9s"),
        labels=labels(docker.ContainerLabelArgs) + [
            docker.ContainerLabelArgs(label="io.selfmonitor.waits-for", value="a miracle"),
            docker.ContainerLabelArgs(label="version", value="{label}"),
        ],
        opts=pulumi.ResourceOptions(depends_on=[deliver]),
        **common,
    )
pulumi.export("password", pulumi.Output.secret(password.result))
pulumi.export("port", 5432)
"""
