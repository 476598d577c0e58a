"""Spec of docker-capabilities-dropped."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

# As it stands in the program, twice.
DROPPED = '\n            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),'
CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


def able(**capabilities):
    return server(capabilities=capabilities)


SPEC = Spec(
    passes={
        "all dropped": passes(able(drops=["ALL"])),
        "a low port": passes(able(drops=["ALL"], adds=["CAP_NET_BIND_SERVICE"])),
    },
    fails={
        "nothing is said": fails(server(), at=("api", "capabilities.drops")),
        "some dropped": fails(able(drops=["NET_RAW"]), at=("api", "capabilities.drops")),
        "one added": fails(
            able(drops=["ALL"], adds=["SYS_ADMIN"]), at=("api", "capabilities.adds")
        ),
    },
    unknown={
        "all of them": unseen(server(capabilities=UNKNOWN), at=("api", "capabilities")),
        "one that is added": unseen(
            able(drops=["ALL"], adds=[UNKNOWN]), at=("api", "capabilities.adds[0]")
        ),
    },
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "those that deliver files keep some": edit(
            "local",
            "platforms/docker.py",
            f'network_mode="none",{DROPPED}',
            'network_mode="none",',
        ),
        "servers have another": edit(
            "local",
            "platforms/docker.py",
            f"read_only=True,{DROPPED}",
            "read_only=True,"
            'capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=["SYS_PTRACE"]),',
        ),
    },
)
