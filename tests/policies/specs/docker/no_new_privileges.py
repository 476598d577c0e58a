"""Spec of docker-no-new-privileges."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


def told(*options):
    return server(securityOpts=list(options))


SPEC = Spec(
    passes={
        "it is forbidden": passes(told("no-new-privileges:true")),
        "in a word": passes(told("apparmor=docker-default", "no-new-privileges")),
    },
    fails={
        "nothing is said": fails(server(), at=("api", "securityOpts")),
        "it is allowed": fails(told("no-new-privileges:false"), at=("api", "securityOpts")),
    },
    unknown={"the options": unseen(server(securityOpts=UNKNOWN), at=("api", "securityOpts"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers may": edit(
            "local",
            "platforms/docker.py",
            'security_opts=["no-new-privileges:true"],\n            tmpfs={',
            "tmpfs={",
        ),
        "those that deliver files may": edit(
            "local",
            "platforms/docker.py",
            'security_opts=["no-new-privileges:true"],\n            uploads=[',
            "uploads=[",
        ),
    },
)
