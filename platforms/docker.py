"""Runs workloads as Docker containers on one machine."""

import hashlib
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal

import pulumi
import pulumi_docker as docker

from platforms import docker_names as names
from platforms.image_context import BASE, image_context
from platforms.workload import (
    FILES_DIRECTORY,
    LOOPBACK,
    USER_ID,
    ConsensusStore,
    EntranceNames,
    Peer,
    Segment,
    Workload,
)

STAGING = "/staging"
FILES_MEMORY_MIB = 64
# What creating a container may take besides the waiting.
CREATE_SECONDS = 60
# Of the processors, where everybody else has Docker's default, 1024.
BACKGROUND_SHARES = 256
# Container logs are kept on disk by Docker: bounded, or one loop of errors fills the disk.
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


class DockerPlatform:
    """Renders workloads as pulumi_docker resources.

    Each segment is a bridge network of its own; only the one open to clients leads out of the
    machine. Members have fixed addresses and find each other through /etc/hosts.
    """

    consensus: Literal["etcd"] = "etcd"
    runs_schedules = False
    addresses_are_names = False

    def __init__(
        self, stack: str, root: Path, subnet: IPv4Network, bind_address: IPv4Address
    ) -> None:
        self._stack = stack
        self._root = root
        self._subnet = subnet
        self._bind_address = bind_address
        self._images: dict[str, docker.RemoteImage] = {}
        self._networks: dict[Segment, docker.Network] = {}

    def run(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> tuple[pulumi.Resource, ...]:
        """See Platform.run."""
        replicas: list[pulumi.Resource] = []
        for index, member in enumerate(workload.members):
            files = self._deliver_files(workload, member, parent)
            before = [*after, files[1]]
            if workload.one_at_a_time:
                before += replicas[-1:]
            replicas.append(self._container(workload, index, parent, files[0], before))
        return tuple(replicas)

    def address(self, peer: Peer, index: int, segment: Segment) -> str:
        """See Platform.address."""
        return str(names.member_address(self._subnet, segment, peer, index))

    def consensus_store(self, peer: Peer) -> ConsensusStore:
        """See Platform.consensus_store: Docker has none."""
        raise ValueError(f"{peer.name}: Docker keeps no consensus for anybody")

    def entrances(self, peer: Peer, published: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
        """See Platform.entrances."""
        return tuple((str(self._bind_address), port) for port in published)

    def entrance_names(self, peer: Peer) -> EntranceNames:
        """See Platform.entrance_names."""
        return EntranceNames(dns=(), ip=(str(self._bind_address),))

    def _image(self, folder: str) -> docker.RemoteImage:
        if folder in self._images:
            return self._images[folder]
        context = image_context(self._root, folder)
        after = [] if folder == BASE else [self._image(BASE)]
        image = docker.RemoteImage(
            f"{folder}-image",
            name=context.name,
            build=docker.RemoteImageBuildArgs(
                context=context.path,
                build_args=context.build_arguments,
            ),
            triggers={"content": context.content_hash},
            # An image costs minutes to build and nothing to keep.
            keep_locally=True,
            opts=pulumi.ResourceOptions(depends_on=after),
        )
        self._images[folder] = image
        return image

    def _network(self, segment: Segment) -> docker.Network:
        if segment in self._networks:
            return self._networks[segment]
        addresses = names.segment_network(self._subnet, segment)
        network = docker.Network(
            f"{segment.value}-segment",
            name=names.object_name(self._stack, segment.value),
            driver="bridge",
            internal=not segment.open_to_clients,
            ipam_configs=[
                docker.NetworkIpamConfigArgs(subnet=str(addresses), gateway=str(addresses[1]))
            ],
            labels=[docker.NetworkLabelArgs(label=names.LABEL_STACK, value=self._stack)],
            # Its name and addresses are fixed: the old one must be gone before the new one comes.
            opts=pulumi.ResourceOptions(delete_before_replace=True),
        )
        self._networks[segment] = network
        return network

    def _volume(
        self, workload: Workload, member: str, role: str, parent: pulumi.Resource
    ) -> docker.Volume:
        labels = self._labels(workload, member, role)
        return docker.Volume(
            f"{member}-{role}",
            name=names.object_name(self._stack, f"{member}-{role}"),
            labels=[docker.VolumeLabelArgs(label=key, value=labels[key]) for key in sorted(labels)],
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def _labels(self, workload: Workload, member: str, role: str) -> dict[str, str]:
        return {
            names.LABEL_STACK: self._stack,
            names.LABEL_WORKLOAD: workload.name,
            names.LABEL_MEMBER: member,
            names.LABEL_ROLE: role,
        }

    def _deliver_files(
        self, workload: Workload, member: str, parent: pulumi.Resource
    ) -> tuple[docker.Volume, docker.Container]:
        """A one-shot container that puts a replica's files into a volume of its own.

        The server mounts that volume read-only, so nothing that runs in it can change its
        configuration, and a renewed certificate reaches it without a restart.
        """
        volume = self._volume(workload, member, names.ROLE_FILES, parent)
        content: dict[str, pulumi.Input[str]] = {**workload.files}
        content.update({name: pulumi.Output.secret(v) for name, v in workload.secret_files.items()})
        container = docker.Container(
            f"{member}-files",
            name=names.object_name(self._stack, f"{member}-files"),
            image=self._image(workload.image).image_id,
            command=["/usr/local/bin/place-files", STAGING, FILES_DIRECTORY],
            user=f"{USER_ID}:{USER_ID}",
            network_mode="none",
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            uploads=[
                docker.ContainerUploadArgs(
                    file=f"{STAGING}/{name}",
                    content=text,
                    # Inside a folder only the user can enter. Docker 20.10 cannot give an
                    # uploaded file to a numeric user, so it is root's until it is placed.
                    permissions="0444",
                )
                for name, text in sorted(content.items())
            ],
            volumes=[
                docker.ContainerVolumeArgs(
                    volume_name=volume.name, container_path=FILES_DIRECTORY, read_only=False
                )
            ],
            labels=_label_args(self._labels(workload, member, names.ROLE_FILES)),
            memory=FILES_MEMORY_MIB,
            memory_swap=FILES_MEMORY_MIB,
            restart="no",
            must_run=False,
            attach=True,
            log_driver="json-file",
            log_opts=LOG_OPTIONS,
            opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
        )
        _require_success(container, f"{member}-files")
        return volume, container

    def _container(
        self,
        workload: Workload,
        index: int,
        parent: pulumi.Resource,
        files: docker.Volume,
        after: list[pulumi.Resource],
    ) -> docker.Container:
        member = workload.members[index]
        role = names.ROLE_JOB if workload.runs_once else names.ROLE_SERVER
        labels = self._labels(workload, member, role)
        labels[names.LABEL_FILES] = _fingerprint(workload)
        if workload.readiness is not None:
            labels[names.LABEL_WAITS_FOR] = workload.readiness.meaning
        addresses = {
            names.object_name(self._stack, segment.value): str(
                names.member_address(self._subnet, segment, workload, index)
            )
            for segment in workload.segments
        }
        labels[names.LABEL_ADDRESSES] = json.dumps(addresses, sort_keys=True)
        mounts = [
            docker.ContainerVolumeArgs(
                volume_name=files.name, container_path=FILES_DIRECTORY, read_only=True
            )
        ]
        if workload.data is not None:
            volume = self._volume(workload, member, names.ROLE_DATA, parent)
            mounts.append(
                docker.ContainerVolumeArgs(
                    volume_name=volume.name, container_path=workload.data.path, read_only=False
                )
            )
        container = docker.Container(
            member,
            name=names.object_name(self._stack, member),
            hostname=member,
            image=self._image(workload.image).image_id,
            command=list(workload.command) or None,
            envs=[
                f"{name}={value.format(member=member)}"
                for name, value in sorted(workload.environment.items())
            ],
            user=f"{USER_ID}:{USER_ID}",
            read_only=True,
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            tmpfs={
                path: f"rw,noexec,nosuid,nodev,size={size}m,mode=0700,uid={USER_ID},gid={USER_ID}"
                for path, size in sorted(workload.scratch.items())
            },
            volumes=mounts,
            # The first network decides the order of interfaces; the open one carries the
            # published ports.
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=self._network(segment).name,
                    ipv4_address=addresses[names.object_name(self._stack, segment.value)],
                )
                for segment in workload.segments
            ],
            hosts=self._hosts(workload),
            ports=[
                docker.ContainerPortArgs(
                    internal=port.number,
                    external=port.published[index],
                    ip=str(self._bind_address),
                    protocol="tcp",
                )
                for port in workload.ports
                if port.published
            ],
            healthcheck=_healthcheck(workload),
            wait=workload.readiness is not None,
            wait_timeout=workload.patience_seconds
            or (workload.readiness.within_seconds if workload.readiness else None),
            labels=_label_args(labels),
            # No swap beyond the limit, and said so: left out, the Engine's own choice comes back
            # as a difference at every preview.
            memory=workload.memory_mib,
            memory_swap=workload.memory_mib,
            cpus=str(workload.cpus),
            cpu_shares=BACKGROUND_SHARES if workload.background else None,
            restart="no" if workload.runs_once else "unless-stopped",
            must_run=not workload.runs_once,
            attach=workload.runs_once,
            logs=workload.runs_once,
            stop_timeout=workload.stop_grace_seconds,
            destroy_grace_seconds=workload.stop_grace_seconds,
            log_driver="json-file",
            log_opts=LOG_OPTIONS,
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=after,
                delete_before_replace=True,
                custom_timeouts=_timeouts(workload),
            ),
        )
        if workload.runs_once:
            _require_success(container, member)
        return container

    def _hosts(self, workload: Workload) -> list[docker.ContainerHostArgs]:
        """Names of every member this workload talks to, in the segment both are in."""
        entries = dict.fromkeys(workload.loopback_names, LOOPBACK)
        for peer in (workload, *workload.talks_to):
            shared = [segment for segment in peer.segments if segment in workload.segments]
            if not shared:
                raise ValueError(f"{workload.name} shares no segment with {peer.name}")
            for index, member in enumerate(peer.members):
                entries[member] = str(names.member_address(self._subnet, shared[0], peer, index))
        return [
            docker.ContainerHostArgs(host=host, ip=address)
            for host, address in sorted(entries.items())
        ]


def _require_success(container: docker.Container, name: str) -> None:
    """The provider waits for a one-shot container but is content with any exit status."""

    def check(values: list[Any]) -> None:
        code, urn = values
        if code:
            raise pulumi.RunError(
                f"{name} ended with exit status {code}: see its log (docker logs), "
                f"then run it again with --target-replace '{urn}'"
            )

    pulumi.Output.all(container.exit_code, container.urn).apply(check)


def _label_args(labels: dict[str, str]) -> list[docker.ContainerLabelArgs]:
    return [docker.ContainerLabelArgs(label=key, value=labels[key]) for key in sorted(labels)]


def _fingerprint(workload: Workload) -> str:
    """Changes when a plain file does, so that the replicas are replaced and read it.

    Only texts known at preview take part: an unknown one would make every preview a replacement.
    """
    known = {name: text for name, text in workload.files.items() if isinstance(text, str)}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def _timeouts(workload: Workload) -> pulumi.CustomTimeouts | None:
    """The provider gives up whatever takes longer than 20 min, unless it is told otherwise."""
    if workload.patience_seconds is None:
        return None
    return pulumi.CustomTimeouts(create=names.duration(workload.patience_seconds + CREATE_SECONDS))


def _healthcheck(workload: Workload) -> docker.ContainerHealthcheckArgs | None:
    readiness = workload.readiness
    if readiness is None:
        return None
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *readiness.probe],
        interval=names.duration(readiness.interval_seconds),
        timeout=names.duration(readiness.probe_timeout_seconds),
        retries=readiness.failures,
        # Failures while it starts do not count.
        start_period=names.duration(readiness.within_seconds),
    )
