"""What must not be seen is in Secrets, and marked as such on its way there."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

SIGNATURE = "4dabf18193072939515e22adb298388d"


def open_texts(value: Any) -> Iterator[str]:
    """Every text anywhere in a raw value that is not marked as a secret."""
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return
        for key, each in value.items():
            yield str(key)
            yield from open_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from open_texts(each)
    elif isinstance(value, str):
        yield value


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def generated(cluster: Any) -> dict[str, str]:
    return {
        name: made[key].strip()
        for name, made in cluster.recording.values.items()
        for key in ("result", "privateKeyPem")
        if key in made
    }


def hidden(secret: str) -> tuple[str, ...]:
    """A secret, and what it could be taken for something else as."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return (secret, encoded[:-2], hashlib.sha256(secret.encode()).hexdigest())


def test_there_are_secrets_to_look_for(cluster: Any) -> None:
    found = generated(cluster)
    assert len(found) == len(set(found.values())) == 24 + 14


def test_nothing_generated_is_anywhere_in_the_open(cluster: Any) -> None:
    looked_for = [form for secret in generated(cluster).values() for form in hidden(secret)]
    for request in cluster.recording.requests:
        for text in open_texts(request.raw):
            assert not [each for each in looked_for if each in text], request.name


def test_nothing_generated_is_in_any_object_but_secrets(cluster: Any) -> None:
    looked_for = [form for secret in generated(cluster).values() for form in hidden(secret)]
    for each in cluster:
        if each["kind"] != "Secret":
            for text in texts(each):
                assert not [form for form in looked_for if form in text], each["metadata"]["name"]


def test_what_is_looked_for_does_reach_who_needs_it(cluster: Any) -> None:
    """Otherwise its absence elsewhere would prove nothing."""
    delivered = "\n".join(
        base64.b64decode(value).decode()
        for each in cluster.of("Secret").values()
        for value in each["data"].values()
    )
    outside = {
        *(f"redis-password-{user}" for user in ("application", "monitor", "restore")),
        *("authority-key", "application-key"),
    }
    for name, secret in generated(cluster).items():
        assert (secret in delivered) is (name not in outside), name


@pytest.mark.parametrize("recording", ["cluster", "previewed"])
def test_every_secret_is_marked_as_such_on_the_wire(
    recording: str, request: pytest.FixtureRequest
) -> None:
    """The provider marks the content whole, in whatever way it was given."""
    for each in request.getfixturevalue(recording).requests:
        if each.inputs["kind"] == "Secret":
            assert "stringData" not in each.raw
            assert SIGNATURE in each.raw["data"], each.name


def test_what_lets_somebody_in_is_in_secrets(cluster: Any) -> None:
    names = {name for each in cluster.of("Secret").values() for name in each["data"]}
    assert {"tls.key", "passwords.yml", "passwords.json", "users.acl", "pgbackrest.conf"} < names
    assert {"restapi.password", "logical.key", "identities.json", "tls.pem"} < names


def test_a_configuration_anybody_may_read_is_in_configmaps(cluster: Any) -> None:
    names = {name for each in cluster.of("ConfigMap").values() for name in each["data"]}
    assert names == {
        *("patroni.yml", "provision.json", "haproxy.cfg", "pgbouncer-hba.conf"),
        *("pgbouncer-read-write.ini", "pgbouncer-read-only.ini", "redis.conf", "sentinel.conf"),
        *("group.json", "events.json", "vault.json", "backup.json", "hold.json"),
    }


def test_outputs_are_as_secret_as_on_docker(cluster: Any, local: Any) -> None:
    assert cluster.recording.outputs.keys() == local.outputs.keys()
    assert cluster.recording.secret_outputs == local.secret_outputs
    looked_for = list(generated(cluster).values())
    for name, value in cluster.recording.outputs.items():
        if name not in cluster.recording.secret_outputs:
            assert not [each for each in looked_for if each in json.dumps(value)], name
