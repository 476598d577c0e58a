"""Spec of docker-no-secret-in-the-open."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

CONTAINER = "docker:index/container:Container"


def server(**properties):
    return resource(CONTAINER, "api", properties)


def image(arguments):
    return resource(
        "docker:index/remoteImage:RemoteImage", "image", {"build": {"buildArgs": arguments}}
    )


SPEC = Spec(
    passes={
        "where the secret is": passes(server(envs=["DB_PASSWORD_FILE=/etc/db", "TOKEN=/etc/t"])),
        "a name for a cluster": passes(server(envs=["ETCD_INITIAL_CLUSTER_TOKEN=shop"])),
        "uploaded": passes(
            server(uploads=[{"file": "/etc/db.password", "content": "hunter2-hunter2"}])
        ),
        "what an image is built on": passes(image({"BASE": "shop/base:3"})),
    },
    fails={
        "a password": fails(server(envs=["PORT=1", "DB_PASSWORD=hunter2"]), at=("api", "envs[1]")),
        "a private key": fails(
            server(envs=["TLS=-----BEGIN PRIVATE KEY-----"]), at=("api", "envs[0]")
        ),
        "in a label": fails(
            server(labels=[{"label": "shop.api-token", "value": "hunter2"}]),
            at=("api", "labels[0].value"),
        ),
        "in a command": fails(
            server(command=["serve", "redis://:hunter2@redis"]), at=("api", "command[1]")
        ),
        "in what an image is built with": fails(
            image({"PIP_TOKEN": "hunter2"}), at=("image", "build.buildArgs.PIP_TOKEN")
        ),
    },
    unknown={
        "a variable": unseen(server(envs=[UNKNOWN, "PORT=1"]), at=("api", "envs[0]")),
        "a part of a command": unseen(server(command=[UNKNOWN]), at=("api", "command[0]")),
    },
    overridden={
        "it only sounds so": configured(
            {"harmless": ["NEXT_TOKEN"]}, passes(server(envs=["NEXT_TOKEN=page"]))
        )
    },
    not_applicable={"no container": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "a password": edit(
            "local",
            "components/postgres_ha.py",
            '"PATRONI_NAME": "{member}",',
            '"PATRONI_NAME": "{member}", "PATRONI_SUPERUSER_PASSWORD": "hunter2-hunter2",',
        ),
        "in a label": edit(
            "local",
            "platforms/docker.py",
            "labels[names.LABEL_FILES] = _fingerprint(workload)",
            'labels["io.selfmonitor.token"] = _fingerprint(workload)',
        ),
    },
)
