"""Spec of docker-kernel-filters."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


def told(*options):
    return server(securityOpts=list(options))


SPEC = Spec(
    passes={
        "nothing is said": passes(server()),
        "a profile of its own": passes(told("seccomp=/etc/profile.json", "label=type:web_t")),
    },
    fails={
        "none": fails(
            told("no-new-privileges", "seccomp=unconfined"), at=("api", "securityOpts[1]")
        ),
        "as it was written once": fails(told("apparmor:unconfined"), at=("api", "securityOpts[0]")),
        "no labels": fails(told("label=disable"), at=("api", "securityOpts[0]")),
        "all of /proc": fails(told("systempaths=unconfined"), at=("api", "securityOpts[0]")),
    },
    unknown={"an option": unseen(told(UNKNOWN), at=("api", "securityOpts[0]"))},
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "servers have none": edit(
            "local",
            "platforms/docker.py",
            'security_opts=["no-new-privileges:true"],\n            tmpfs={',
            'security_opts=["no-new-privileges:true", "seccomp=unconfined"],\n            tmpfs={',
        )
    },
)
