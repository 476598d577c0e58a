"""Images, networks, volumes and containers, created through the Docker Engine API.

One class a resource type. Each tells from the declared inputs and from what is there what has to
change, and makes it so; each may be killed anywhere and run again.
"""

import datetime
import io
import os
import tarfile
import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

import docker
import docker.errors
import docker.types

from platforms.docker_names import LABEL_IDENTITY, LABEL_STACK, LABEL_WAITS_FOR, duration_seconds
from standalone.plan import Action, ApplyError, Change, Progress, combined_hash, what_differs

Inputs = Mapping[str, Any]
Outputs = dict[str, Any]

# The hash of everything declared about an object, so that a difference is seen without a state.
LABEL_INPUTS = "io.selfmonitor.inputs"
MIB = 1024 * 1024
POLL_SECONDS = 0.25
LOG_LINES = 40
# A one-shot container that places files or runs SQL takes seconds; one that restarts members for
# a setting, minutes at the most.
JOB_SECONDS = 300
# Who is given more time than this has a lot to fetch, and says how far it is.
LONG_SECONDS = 900
# Docker doubles its pause from 100 ms at each restart: eight are some 25 s of trying in vain.
RESTARTS_IN_VAIN = 8


def labels_of(inputs: Inputs) -> dict[str, str]:
    """Labels as Docker has them, from the provider's list of pairs."""
    return {each["label"]: each["value"] for each in inputs.get("labels") or ()}


class Handler(Protocol):
    """What the engine asks of a resource type. `hashes` are the declared inputs' own, `recorded`
    those of the last time, if the state knows them.
    """

    kind: str

    def title(self, inputs: Inputs) -> str: ...

    def change(
        self, inputs: Inputs, hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change: ...

    def predict(self, inputs: Inputs) -> Outputs: ...

    def apply(
        self, inputs: Inputs, hashes: dict[str, str], change: Change, progress: Progress
    ) -> Outputs: ...


class Images:
    """docker:index/remoteImage:RemoteImage with a build."""

    kind = "image"

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def title(self, inputs: Inputs) -> str:
        """The name a person sees."""
        return str(inputs["name"])

    def change(
        self, inputs: Inputs, hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change:
        """The tag holds the content's hash: an image of that name is the one declared."""
        if self._find(inputs) is not None:
            return Change(Action.UNCHANGED)
        return Change(Action.CREATE)

    def predict(self, inputs: Inputs) -> Outputs:
        """Outputs as far as known without building."""
        found = self._find(inputs)
        return self._outputs(inputs, found.id if found else "(to be built)")

    def apply(
        self, inputs: Inputs, hashes: dict[str, str], change: Change, progress: Progress
    ) -> Outputs:
        """Builds it unless it is there. Raises ApplyError with the end of the build's output."""
        if change.action is not Action.UNCHANGED:
            self._build(inputs, progress)
        found = self._find(inputs)
        if found is None:
            raise ApplyError(f"image {inputs['name']} was built but is not there")
        return self._outputs(inputs, found.id)

    def _find(self, inputs: Inputs) -> Any:
        try:
            return self._client.images.get(inputs["name"])
        except docker.errors.ImageNotFound:
            return None

    def _outputs(self, inputs: Inputs, image_id: str) -> Outputs:
        return {**inputs, "imageId": image_id, "repoDigest": ""}

    def _build(self, inputs: Inputs, progress: Progress) -> None:
        build = inputs["build"]
        lines: list[str] = []
        for event in self._client.api.build(
            path=build["context"],
            tag=inputs["name"],
            buildargs=dict(build.get("buildArgs") or {}),
            rm=True,
            forcerm=True,
            decode=True,
        ):
            if "error" in event:
                raise ApplyError(
                    f"image {inputs['name']} does not build: {event['error'].strip()}",
                    tuple(lines[-LOG_LINES:]),
                )
            text = event.get("stream", "").strip()
            if text:
                lines += text.splitlines()
                progress(text.splitlines()[-1])


class Networks:
    """docker:index/network:Network."""

    kind = "network"

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def title(self, inputs: Inputs) -> str:
        """The name a person sees."""
        return str(inputs["name"])

    def change(
        self, inputs: Inputs, hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change:
        """Compares the label of inputs."""
        found = self._find(inputs)
        if found is None:
            return Change(Action.CREATE)
        if (found.attrs["Labels"] or {}).get(LABEL_INPUTS) == combined_hash(hashes):
            return Change(Action.UNCHANGED)
        return Change(Action.REPLACE, what_differs(recorded, hashes))

    def predict(self, inputs: Inputs) -> Outputs:
        """All outputs but the id are inputs."""
        return dict(inputs)

    def apply(
        self, inputs: Inputs, hashes: dict[str, str], change: Change, progress: Progress
    ) -> Outputs:
        """Creates it; when it is replaced, the containers on it go first, to come back later."""
        if change.action is Action.REPLACE:
            self._remove(inputs, progress)
        if change.action is not Action.UNCHANGED:
            pools = [
                docker.types.IPAMPool(subnet=each["subnet"], gateway=each["gateway"])
                for each in inputs["ipamConfigs"]
            ]
            self._client.networks.create(
                inputs["name"],
                driver=inputs["driver"],
                internal=inputs["internal"],
                check_duplicate=True,
                ipam=docker.types.IPAMConfig(pool_configs=pools),
                labels={**labels_of(inputs), LABEL_INPUTS: combined_hash(hashes)},
            )
        return dict(inputs)

    def _find(self, inputs: Inputs) -> Any:
        try:
            return self._client.networks.get(inputs["name"])
        except docker.errors.NotFound:
            return None

    def _remove(self, inputs: Inputs, progress: Progress) -> None:
        network = self._find(inputs)
        stack = labels_of(inputs)[LABEL_STACK]
        members = self._client.containers.list(
            all=True,
            filters={"label": f"{LABEL_STACK}={stack}", "network": network.id},
            ignore_removed=True,
        )
        for container in members:
            progress(f"removing {container.name}, which is on it")
            container.stop()
            container.remove()
        network.remove()


class Volumes:
    """docker:index/volume:Volume. Never replaced: what is in it is worth more than its labels."""

    kind = "volume"

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def title(self, inputs: Inputs) -> str:
        """The name a person sees."""
        return str(inputs["name"])

    def change(
        self, inputs: Inputs, hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change:
        """There or not."""
        try:
            self._client.volumes.get(inputs["name"])
        except docker.errors.NotFound:
            return Change(Action.CREATE)
        return Change(Action.UNCHANGED)

    def predict(self, inputs: Inputs) -> Outputs:
        """All outputs are inputs."""
        return dict(inputs)

    def apply(
        self, inputs: Inputs, hashes: dict[str, str], change: Change, progress: Progress
    ) -> Outputs:
        """Creates it."""
        if change.action is not Action.UNCHANGED:
            # Marked, so that what was put into an earlier volume of the same name is known to be
            # gone. Docker's own CreatedAt is the time of the last change in it.
            labels = {**labels_of(inputs), LABEL_IDENTITY: uuid.uuid4().hex}
            self._client.volumes.create(inputs["name"], labels=labels)
        return dict(inputs)


class Containers:
    """docker:index/container:Container, servers and one-shots."""

    kind = "container"

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def title(self, inputs: Inputs) -> str:
        """The name a person sees."""
        return str(inputs["name"])

    def change(
        self, inputs: Inputs, hashes: dict[str, str], recorded: dict[str, str] | None
    ) -> Change:
        """Compares the label of inputs, then heals what drifted: stopped, paused, cut off."""
        found = self._find(inputs)
        if found is None:
            return Change(Action.CREATE)
        if found.labels.get(LABEL_INPUTS) != combined_hash(hashes):
            return Change(Action.REPLACE, what_differs(recorded, hashes))
        if found.status in ("created", "dead", "removing"):
            return Change(Action.REPLACE, "was never finished")
        if found.labels.get(LABEL_IDENTITY) != self._volume_identities(inputs):
            return Change(Action.REPLACE, "its volume is new")
        if not inputs["mustRun"]:
            if found.status == "exited" and found.attrs["State"]["ExitCode"] == 0:
                return Change(Action.UNCHANGED)
            return Change(Action.REPLACE, "did not finish")
        missing = self._missing_networks(found, inputs)
        if missing:
            return Change(Action.REPLACE, f"was cut off from network {missing[0]}")
        if found.status == "paused":
            return Change(Action.UPDATE, "was paused")
        if found.status == "exited":
            return Change(Action.UPDATE, "was stopped")
        return Change(Action.UNCHANGED)

    def predict(self, inputs: Inputs) -> Outputs:
        """As if it had gone well."""
        return {**inputs, "exitCode": 0}

    def apply(
        self, inputs: Inputs, hashes: dict[str, str], change: Change, progress: Progress
    ) -> Outputs:
        """Creates, replaces or wakes it, and waits until it is ready or done. Raises ApplyError."""
        if change.action is Action.REPLACE:
            progress("stopping the old one")
            self._remove(inputs)
        if change.action in (Action.CREATE, Action.REPLACE):
            self._create(inputs, hashes)
        found = self._find(inputs)
        if found is None:
            raise ApplyError(f"container {inputs['name']} has disappeared")
        if found.status == "paused":
            found.unpause()
        elif found.status != "running" and change.action is not Action.UNCHANGED:
            found.start()
        if not inputs["mustRun"]:
            return {**inputs, "exitCode": self._wait_until_done(inputs, progress)}
        if inputs.get("wait"):
            self._wait_until_healthy(inputs, progress)
        return {**inputs, "exitCode": 0}

    def _find(self, inputs: Inputs) -> Any:
        try:
            return self._client.containers.get(inputs["name"])
        except docker.errors.NotFound:
            return None

    def _remove(self, inputs: Inputs) -> None:
        found = self._find(inputs)
        if found is None:
            return
        if found.status == "paused":
            found.unpause()
        found.stop(timeout=inputs.get("destroyGraceSeconds") or 10)
        found.remove(v=True, force=True)

    def _missing_networks(self, found: Any, inputs: Inputs) -> list[str]:
        attached = found.attrs["NetworkSettings"]["Networks"]
        return [
            n["name"] for n in inputs.get("networksAdvanced") or () if n["name"] not in attached
        ]

    def _volume_identities(self, inputs: Inputs) -> str:
        """Which volumes there are now under the declared names."""
        found = []
        for each in inputs.get("volumes") or ():
            try:
                volume = self._client.volumes.get(each["volumeName"])
            except docker.errors.NotFound:
                continue
            found.append((volume.attrs["Labels"] or {}).get(LABEL_IDENTITY, ""))
        return ",".join(found)

    def _create(self, inputs: Inputs, hashes: dict[str, str]) -> None:
        api = self._client.api
        networks = list(inputs.get("networksAdvanced") or ())
        ports = inputs.get("ports") or ()
        host = api.create_host_config(
            binds=[
                f"{v['volumeName']}:{v['containerPath']}:{'ro' if v['readOnly'] else 'rw'}"
                for v in inputs.get("volumes") or ()
            ],
            port_bindings={
                f"{p['internal']}/{p['protocol']}": (p["ip"], p["external"]) for p in ports
            },
            network_mode=networks[0]["name"] if networks else inputs["networkMode"],
            extra_hosts={h["host"]: h["ip"] for h in inputs.get("hosts") or ()},
            cap_drop=list(inputs["capabilities"]["drops"]),
            security_opt=list(inputs["securityOpts"]),
            tmpfs=dict(inputs.get("tmpfs") or {}),
            read_only=bool(inputs.get("readOnly")),
            restart_policy={"Name": inputs["restart"]},
            mem_limit=inputs["memory"] * MIB,
            memswap_limit=inputs["memorySwap"] * MIB,
            nano_cpus=int(float(inputs["cpus"]) * 10**9) if inputs.get("cpus") else None,
            cpu_shares=inputs.get("cpuShares"),
            log_config=docker.types.LogConfig(
                type=inputs["logDriver"], config=dict(inputs["logOpts"])
            ),
        )
        networking = None
        if networks:
            endpoints: Any = {networks[0]["name"]: _endpoint(api, networks[0])}
            networking = api.create_networking_config(endpoints)
        created = api.create_container(
            image=inputs["image"],
            name=inputs["name"],
            hostname=inputs.get("hostname"),
            command=list(inputs.get("command") or ()) or None,
            environment=list(inputs.get("envs") or ()),
            user=inputs["user"],
            ports=[(p["internal"], p["protocol"]) for p in ports],
            labels={
                **labels_of(inputs),
                LABEL_INPUTS: combined_hash(hashes),
                LABEL_IDENTITY: self._volume_identities(inputs),
            },
            healthcheck=_healthcheck(inputs),
            stop_timeout=inputs.get("stopTimeout"),
            host_config=host,
            networking_config=networking,
        )
        for network in networks[1:]:
            api.connect_container_to_network(
                created["Id"], network["name"], ipv4_address=network["ipv4Address"]
            )
        for upload in inputs.get("uploads") or ():
            directory, _, _ = upload["file"].rpartition("/")
            api.put_archive(created["Id"], directory, _archive(upload))

    def _wait_until_done(self, inputs: Inputs, progress: Progress) -> int:
        name = inputs["name"]
        patience = inputs.get("waitTimeout") or JOB_SECONDS
        deadline = time.monotonic() + patience
        while True:
            found = self._find(inputs)
            if found is None:
                raise ApplyError(f"container {name} has disappeared")
            if found.status == "exited":
                code = int(found.attrs["State"]["ExitCode"])
                if code:
                    raise ApplyError(f"{name} failed (exit status {code})", _last_lines(found))
                return code
            if time.monotonic() > deadline:
                raise ApplyError(f"{name} is not done after {patience} s", _last_lines(found))
            _tell(found, patience, "at work", progress)
            time.sleep(POLL_SECONDS)

    def _wait_until_healthy(self, inputs: Inputs, progress: Progress) -> None:
        name = inputs["name"]
        meaning = labels_of(inputs).get(LABEL_WAITS_FOR, "its health check")
        progress(f"waiting for {meaning}")
        patience = inputs["waitTimeout"]
        deadline = time.monotonic() + patience
        while True:
            found = self._find(inputs)
            if found is None:
                raise ApplyError(f"container {name} has disappeared")
            state = found.attrs["State"]
            if state["Status"] == "running" and state.get("Health", {}).get("Status") == "healthy":
                return
            restarts = found.attrs["RestartCount"]
            gave_up = restarts >= RESTARTS_IN_VAIN or time.monotonic() > deadline
            if gave_up:
                how = (
                    f"it ended {restarts} times, last with exit status {state['ExitCode']}"
                    if restarts
                    else f"not ready after {patience} s"
                )
                raise ApplyError(
                    f"{name} does not become healthy: waited for {meaning}; {how}",
                    _before_its_restart(found) + _last_lines(found) + _last_probe(state),
                )
            _tell(found, patience, f"waiting for {meaning}", progress)
            time.sleep(POLL_SECONDS)


def _endpoint(api: Any, network: Mapping[str, Any]) -> Any:
    return api.create_endpoint_config(ipv4_address=network["ipv4Address"])


def _healthcheck(inputs: Inputs) -> Any:
    check = inputs.get("healthcheck")
    if not check:
        return None
    nanoseconds = 10**9
    return docker.types.Healthcheck(
        test=list(check["tests"]),
        interval=duration_seconds(check["interval"]) * nanoseconds,
        timeout=duration_seconds(check["timeout"]) * nanoseconds,
        retries=int(check["retries"]),
        start_period=duration_seconds(check["startPeriod"]) * nanoseconds,
    )


def _archive(upload: Mapping[str, Any]) -> bytes:
    """A tar of one file, as the Engine takes it."""
    content = upload["content"].encode()
    info = tarfile.TarInfo(os.path.basename(upload["file"]))
    info.size = len(content)
    info.mode = int(upload["permissions"], 8)
    info.mtime = int(time.time())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _tell(container: Any, patience: int, meanwhile: str, progress: Progress) -> None:
    """How far something that may take long is, by the last line of its own log."""
    if patience >= LONG_SECONDS:
        progress(": ".join((meanwhile, *_last_lines(container, 1))))


def _last_lines(container: Any, number: int = LOG_LINES, **which: Any) -> tuple[str, ...]:
    text = container.logs(tail=number, stdout=True, stderr=True, **which)
    return tuple(text.decode(errors="replace").splitlines())


def _before_its_restart(container: Any) -> tuple[str, ...]:
    """What it said last before it ended: why it did is there, not in how it begins anew."""
    if not container.attrs["RestartCount"]:
        return ()
    began = datetime.datetime.fromisoformat(container.attrs["State"]["StartedAt"])
    return (*_last_lines(container, until=began.timestamp()), "— started again —")


def _last_probe(state: Mapping[str, Any]) -> tuple[str, ...]:
    """What the readiness check last said, if it said anything."""
    log = (state.get("Health") or {}).get("Log") or []
    output = log[-1]["Output"].strip() if log else ""
    return (f"readiness check: {output}",) if output else ()
