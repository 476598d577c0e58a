"""Spec of docker-not-privileged."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


SPEC = Spec(
    passes={"nothing is said": passes(server()), "it is not": passes(server(privileged=False))},
    fails={"it is": fails(server(privileged=True), at=("api", "privileged"))},
    unknown={"the value": unseen(server(privileged=UNKNOWN), at=("api", "privileged"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers are": edit(
            "local", "platforms/docker.py", "hostname=member,", "hostname=member, privileged=True,"
        )
    },
)
