"""Spec of docker-data-publishes-nothing."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"
PORT = {"internal": 5432, "external": 5432, "ip": "127.0.0.1"}
DATA = {"volumeName": "data", "containerPath": "/var/lib/db"}


def container(**properties):
    return resource(CONTAINER, "db", properties)


SPEC = Spec(
    passes={
        "data, and no port": passes(container(volumes=[DATA])),
        "a port, and no data": passes(container(ports=[PORT])),
        "a port, and files to read": passes(
            container(ports=[PORT], volumes=[{**DATA, "readOnly": True}])
        ),
        "a port, and memory to write to": passes(
            container(ports=[PORT], mounts=[{"type": "tmpfs", "target": "/tmp"}])
        ),
    },
    fails={
        "one port": fails(container(volumes=[DATA], ports=[PORT]), at=("db", "ports[0]")),
        "two ports, of a mount": fails(
            container(mounts=[{"type": "bind", "source": "/srv/data"}], ports=[PORT, PORT]),
            at=(("db", "ports[0]"), ("db", "ports[1]")),
        ),
        "all ports": fails(
            container(volumes=[DATA], publishAllPorts=True), at=("db", "publishAllPorts")
        ),
        "the host's network": fails(
            container(volumes=[DATA], networkMode="host"), at=("db", "networkMode")
        ),
    },
    unknown={
        "which ports": unseen(container(volumes=[DATA], ports=UNKNOWN), at=("db", "ports")),
        "whether it writes": unseen(
            container(volumes=[{**DATA, "readOnly": UNKNOWN}], ports=[PORT]),
            at=("db", "volumes[0].readOnly"),
        ),
    },
    not_applicable={"no container": passes(resource("docker:index/network:Network", "db", {}))},
    mutations={
        "PostgreSQL's members publish their port": edit(
            "local",
            "components/postgres_ha.py",
            'Port("postgres", POSTGRES_PORT)',
            'Port("postgres", POSTGRES_PORT, tuple(range(15432, 15432 + self._settings.members)))',
        )
    },
)
