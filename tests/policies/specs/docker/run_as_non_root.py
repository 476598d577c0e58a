"""Spec of docker-run-as-non-root."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


SPEC = Spec(
    passes={
        "a number": passes(server(user="10001")),
        "and a group": passes(server(user="10001:0")),
        "a name": passes(server(user="postgres")),
    },
    fails={
        "nothing is said": fails(server(), at=("api", "user")),
        "the number 0": fails(server(user="0:10001"), at=("api", "user")),
        "root": fails(server(user="root"), at=("api", "user")),
    },
    unknown={"who": unseen(server(user=UNKNOWN), at=("api", "user"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers are root": edit(
            "local",
            "platforms/docker.py",
            'user=f"{USER_ID}:{USER_ID}",\n            read_only=True,',
            'user="root",\n            read_only=True,',
        ),
        "those that deliver files are whoever the image says": edit(
            "local",
            "platforms/docker.py",
            'user=f"{USER_ID}:{USER_ID}",\n            network_mode="none",',
            'network_mode="none",',
        ),
    },
)
