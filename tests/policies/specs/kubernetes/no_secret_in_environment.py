"""Spec of kubernetes-no-secret-in-environment."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

WHERE = "spec.containers[0]"


def pod(env=(), **container):
    spec = {"containers": [{"name": "api", "env": list(env), **container}]}
    return resource("kubernetes:core/v1:Pod", "api", {"spec": spec})


def variable(name, value):
    return pod([{"name": name, "value": value}])


def found(kind):
    return ("api", f"{WHERE}.{kind}")


SPEC = Spec(
    passes={
        "where the secret is": passes(variable("DB_PASSWORD_FILE", "/run/secrets/db")),
        "a path by such a name": passes(variable("DB_PASSWORD", "/run/secrets/db")),
        "another variable": passes(variable("DB_PASSWORD", "$(OTHER)")),
        "out of a Secret": passes(
            pod([{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "x"}}}])
        ),
        "how passwords are kept": passes(variable("PASSWORD_ENCRYPTION", "scram-sha-256")),
        "an address": passes(variable("DATABASE_URL", "postgres://api@db:5432/shop")),
        "a role": passes(
            variable("ROLE", "arn:aws:iam::123456789012:role/Shop-Production-Api-Reader1")
        ),
        "a digest": passes(variable("IMAGE", f"sha256:{'0a1b' * 16}")),
        "words put together": passes(variable("CLASS", "ShopInventoryReaderVersion2Factory")),
        "a certificate": passes(
            variable(
                "CA",
                "-----BEGIN CERTIFICATE-----\nMIIB2jCCAYCgAwIBAgIUAKZl93Z6erIgsTMh\n"
                "-----END CERTIFICATE-----\n",
            )
        ),
    },
    fails={
        "a password": fails(variable("DB_PASSWORD", "hunter2"), at=found("env[0].value")),
        "in other letters": fails(variable("dbPassword", "hunter2"), at=found("env[0].value")),
        "a token": fails(variable("API_TOKEN", "hunter2"), at=found("env[0].value")),
        "a private key": fails(
            variable("TLS", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n"), at=found("env[0].value")
        ),
        "a password in an address": fails(
            variable("DATABASE_URL", "postgres://api:hunter2@db:5432/shop"),
            at=found("env[0].value"),
        ),
        "an access key": fails(variable("KEY_ID", f"AKIA{'Q' * 16}"), at=found("env[0].value")),
        "what was generated": fails(
            variable("SALT", "3xVb9Qk7Lm2Tz8Rw5Yp1Hc6Nd4Gs0JfA"), at=found("env[0].value")
        ),
        "an argument": fails(
            pod(args=["serve", "--db=postgres://api:hunter2@db/shop"]), at=found("args[1]")
        ),
        "a command": fails(
            pod(command=["curl", "-H", f"token: ghp_{'a1B2' * 9}"]), at=found("command[2]")
        ),
    },
    unknown={
        "the value": unseen(variable("DB_PASSWORD", UNKNOWN), at=found("env[0].value")),
        "an argument": unseen(pod(args=["serve", UNKNOWN]), at=found("args[1]")),
    },
    overridden={
        "it only sounds so": configured(
            {"harmless": ["CLUSTER_TOKEN"]}, passes(variable("CLUSTER_TOKEN", "blue"))
        )
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Secret", "api", {"data": {}}))},
    mutations={
        "a password": edit(
            "staging",
            "components/postgres_ha.py",
            '"PATRONI_NAME": "{member}",',
            '"PATRONI_NAME": "{member}", "PATRONI_SUPERUSER_PASSWORD": "hunter2-hunter2",',
        )
    },
)
