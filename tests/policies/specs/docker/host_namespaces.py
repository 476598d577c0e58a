"""Spec of docker-host-namespaces."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


SPEC = Spec(
    passes={
        "nothing is said": passes(server()),
        "no network at all": passes(server(networkMode="none", ipcMode="private")),
    },
    fails={
        "the host's network": fails(server(networkMode="host"), at=("api", "networkMode")),
        "its processes and memory": fails(
            server(pidMode="host", ipcMode="host"), at=(("api", "pidMode"), ("api", "ipcMode"))
        ),
        "its users": fails(server(usernsMode="host"), at=("api", "usernsMode")),
    },
    unknown={"which": unseen(server(pidMode=UNKNOWN), at=("api", "pidMode"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers see the host's processes": edit(
            "local",
            "platforms/docker.py",
            "hostname=member,",
            'hostname=member, pid_mode="host",',
        ),
        "files are delivered in the host's memory": edit(
            "local",
            "platforms/docker.py",
            'network_mode="none",',
            'ipc_mode="host", network_mode="none",',
        ),
    },
)
