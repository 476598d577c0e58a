"""Spec of docker-data-networks-internal."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

DATA = {"volumeName": "data", "containerPath": "/var/lib/db"}
WHERE = "networksAdvanced[0].name"


def network(name="inner", called="shop-inner", **properties):
    return resource("docker:index/network:Network", name, {"name": called, **properties})


def db(*networks, options=None, **properties):
    return resource(
        "docker:index/container:Container",
        "db",
        {
            "volumes": [DATA],
            "networksAdvanced": [{"name": each} for each in networks],
            **properties,
        },
        **(options or {}),
    )


def joined(*networks):
    """By names that are not known, as where Pulumi makes them."""
    return db(*(UNKNOWN for _ in networks), options={"taken_from": {"networksAdvanced": networks}})


INNER = network(internal=True)
OUTER = network("outer", "shop-outer", internal=False)

SPEC = Spec(
    passes={
        "internal": passes(INNER, db("shop-inner")),
        "no network at all": passes(db(networkMode="none")),
        "internal, by a name that is made": passes(INNER, OUTER, joined(INNER)),
    },
    fails={
        "one that leads out": fails(INNER, OUTER, db("shop-outer"), at=("db", WHERE)),
        "one of two": fails(
            INNER, OUTER, db("shop-inner", "shop-outer"), at=("db", "networksAdvanced[1].name")
        ),
        "nothing is said of it": fails(network(), db("shop-inner"), at=("db", WHERE)),
        "somebody else's": fails(INNER, db("bridge"), at=("db", WHERE)),
        "the Engine's own": fails(db(), at=("db", "networksAdvanced")),
        "one that leads out, by a name that is made": fails(OUTER, joined(OUTER), at=("db", WHERE)),
    },
    unknown={
        "which": unseen(INNER, db(UNKNOWN), at=("db", WHERE)),
        "whether it leads out": unseen(
            network(internal=UNKNOWN), db("shop-inner"), at=("db", "internal")
        ),
    },
    not_applicable={
        "no data": passes(OUTER, db("shop-outer", volumes=[])),
        "no container": passes(OUTER),
    },
    mutations={
        "all lead out": edit(
            "local",
            "platforms/docker.py",
            "internal=not segment.open_to_clients,",
            "internal=False,",
        )
    },
)
