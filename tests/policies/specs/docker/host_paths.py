"""Spec of docker-host-paths."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


def volume(**properties):
    return resource("docker:index/volume:Volume", "data", properties)


SPEC = Spec(
    passes={
        "a volume of Docker's": passes(
            server(volumes=[{"volumeName": "data", "containerPath": "/data"}])
        ),
        "memory": passes(server(mounts=[{"type": "tmpfs", "target": "/tmp"}])),
        "a volume by itself": passes(volume(name="data")),
        "a network's": passes(volume(driverOpts={"type": "nfs", "device": ":/exports/data"})),
    },
    fails={
        "Docker's socket": fails(
            server(
                volumes=[
                    {"volumeName": "data", "containerPath": "/data"},
                    {"hostPath": "/var/run/docker.sock", "containerPath": "/docker.sock"},
                ]
            ),
            at=("api", "volumes[1].hostPath"),
        ),
        "a folder": fails(
            server(mounts=[{"type": "bind", "source": "/srv/data"}]), at=("api", "mounts[0]")
        ),
        "a device": fails(server(devices=[{"hostPath": "/dev/sda"}]), at=("api", "devices[0]")),
        "a volume that is a folder": fails(
            volume(driverOpts={"type": "none", "o": "bind", "device": "/srv/data"}),
            at=("data", "driverOpts.device"),
        ),
    },
    unknown={
        "a path": unseen(
            server(volumes=[{"hostPath": UNKNOWN}]), at=("api", "volumes[0].hostPath")
        ),
        "which mounts": unseen(server(mounts=UNKNOWN), at=("api", "mounts")),
    },
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers have Docker's socket": edit(
            "local",
            "platforms/docker.py",
            "volumes=mounts,",
            "volumes=[*mounts, docker.ContainerVolumeArgs("
            'host_path="/var/run/docker.sock", container_path="/docker.sock", read_only=True)],',
        ),
        "volumes are folders": edit(
            "local",
            "platforms/docker.py",
            "docker.VolumeLabelArgs(label=key, value=labels[key]) for key in sorted(labels)],",
            "docker.VolumeLabelArgs(label=key, value=labels[key]) for key in sorted(labels)],"
            'driver_opts={"type": "none", "o": "bind", "device": "/srv/data"},',
        ),
    },
)
