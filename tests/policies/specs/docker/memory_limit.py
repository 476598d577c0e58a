"""Spec of docker-memory-limit."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


SPEC = Spec(
    passes={
        "a limit": passes(server(memory=512)),
        "and none but that": passes(server(memory=512, memorySwap=512)),
    },
    fails={
        "none": fails(server(), at=("api", "memory")),
        "none, said so": fails(server(memory=0), at=("api", "memory")),
        "the whole disk besides": fails(
            server(memory=512, memorySwap=-1), at=("api", "memorySwap")
        ),
    },
    unknown={"how much": unseen(server(memory=UNKNOWN), at=("api", "memory"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers have none": edit(
            "local", "platforms/docker.py", "            memory=workload.memory_mib,\n", ""
        ),
        "those that deliver files have none": edit(
            "local", "platforms/docker.py", "            memory=FILES_MEMORY_MIB,\n", ""
        ),
    },
)
