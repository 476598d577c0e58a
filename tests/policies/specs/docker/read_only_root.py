"""Spec of docker-read-only-root."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


DELIVERY = {
    "uploads": [{"file": "/staging/app.ini", "content": "port = 1"}],
    "networkMode": "none",
    "mustRun": False,
}

SPEC = Spec(
    passes={
        "it is read-only": passes(server(readOnly=True)),
        "a job that delivers files": passes(server(**DELIVERY)),
    },
    fails={
        "it is not": fails(server(readOnly=False), at=("api", "readOnly")),
        "nothing is said": fails(server(), at=("api", "readOnly")),
        "a server that is given files": fails(
            server(**{**DELIVERY, "mustRun": True}), at=("api", "readOnly")
        ),
        "a job that others reach": fails(
            server(**{**DELIVERY, "networkMode": "bridge"}), at=("api", "readOnly")
        ),
        "a job that delivers nothing": fails(
            server(**{**DELIVERY, "uploads": []}), at=("api", "readOnly")
        ),
    },
    unknown={"the value": unseen(server(readOnly=UNKNOWN), at=("api", "readOnly"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers may write": edit(
            "local",
            "platforms/docker.py",
            "            read_only=True,\n            capabilities",
            "            capabilities",
        )
    },
)
