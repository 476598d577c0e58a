"""Spec of kubernetes-no-secret-in-config-maps."""

import base64

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n"


def config_map(data=None, **properties):
    return resource("kubernetes:core/v1:ConfigMap", "files", {"data": data or {}, **properties})


def encoded(text):
    return base64.b64encode(text).decode()


SPEC = Spec(
    passes={
        "settings": passes(config_map({"app.ini": "port = 5432\npassword_encryption = scram\n"})),
        "where the password is": passes(
            config_map({"app.yml": "password: /run/secrets/db\ntoken: ${TOKEN}\n"})
        ),
        "a remark": passes(config_map({"app.ini": "; password = whatever you like\n"})),
        "a certificate": passes(
            config_map(
                {
                    "ca.crt": "-----BEGIN CERTIFICATE-----\nMIIB2jCCAYCgAwIBAgIUAKZl93Z6erIgsTMh"
                    "\n-----END CERTIFICATE-----\n"
                }
            )
        ),
        "a picture": passes(config_map(binaryData={"logo.png": encoded(b"\x89PNG\r\n")})),
    },
    fails={
        "a private key": fails(config_map({"tls.pem": KEY}), at=("files", "data.tls.pem")),
        "one that is encoded": fails(
            config_map(binaryData={"tls.pem": encoded(KEY.encode())}),
            at=("files", "binaryData.tls.pem"),
        ),
        "an entry by such a name": fails(
            config_map({"db-password": "hunter2"}), at=("files", "data.db-password")
        ),
        "in YAML": fails(
            config_map({"app.yml": "db:\n  user: api\n  password: hunter2\n"}),
            at=("files", "data.app.yml"),
        ),
        "in JSON": fails(
            config_map({"app.json": '{"user": "api", "apiKey": "hunter2"}'}),
            at=("files", "data.app.json"),
        ),
        "as Redis has it": fails(
            config_map({"redis.conf": "port 6379\nrequirepass hunter2\n"}),
            at=("files", "data.redis.conf"),
        ),
        "in an address": fails(
            config_map({"app.ini": "url = redis://:hunter2@redis:6379\n"}),
            at=("files", "data.app.ini"),
        ),
    },
    unknown={"a file": unseen(config_map({"app.ini": UNKNOWN}), at=("files", "data.app.ini"))},
    overridden={
        "it only sounds so": configured(
            {"harmless": ["next_token"]}, passes(config_map({"app.yml": "next_token: page\n"}))
        )
    },
    not_applicable={
        "that is what it is for": passes(
            resource("kubernetes:core/v1:Secret", "files", {"stringData": {"tls.pem": KEY}})
        )
    },
    mutations={
        "a password": edit(
            "staging",
            "components/redis_sentinel.py",
            'files={"redis.conf": configuration,',
            'files={"redis.conf": configuration + "requirepass hunter2",',
        ),
        "a private key": edit(
            "production",
            "platforms/kubernetes_files.py",
            "data=files,",
            'data={**files, "tls.pem": "-----BEGIN PRIVATE KEY-----"},',
        ),
    },
)
