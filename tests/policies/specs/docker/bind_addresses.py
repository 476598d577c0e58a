"""Spec of docker-bind-addresses."""

from policy_spec import UNKNOWN, Spec, configured, fails, passes, resource, setting, unseen

CONTAINER = "docker:index/container:Container"


def router(*addresses):
    ports = [{"internal": 5432, **({"ip": each} if each else {})} for each in addresses]
    return resource(CONTAINER, "router", {"ports": ports})


SPEC = Spec(
    passes={
        "on the machine itself": passes(router("127.0.0.1", "::1")),
        "nothing published": passes(router()),
    },
    fails={
        "on all": fails(router("0.0.0.0"), at=("router", "ports[0].ip")),
        "no address is all": fails(router("127.0.0.1", None), at=("router", "ports[1].ip")),
        "another address": fails(router("192.0.2.7"), at=("router", "ports[0].ip")),
    },
    unknown={"the address": unseen(router(UNKNOWN), at=("router", "ports[0].ip"))},
    overridden={
        "the stack allows another": configured(
            {"addresses": ["192.0.2.7"]}, passes(router("192.0.2.7"))
        ),
        "and then that one alone": configured(
            {"addresses": ["192.0.2.7"]}, fails(router("127.0.0.1"), at=("router", "ports[0].ip"))
        ),
    },
    not_applicable={"no container": passes(resource("docker:index/volume:Volume", "router", {}))},
    mutations={"routers listen everywhere": setting("local", bind_address="0.0.0.0")},
)
