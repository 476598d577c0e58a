"""A container of Docker's, as commands see containers everywhere."""

import socket
import struct
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cli.containers import CannotBeAsked, execute
from cli.docker_container import DockerContainer
from cli.errors import OperationFailed

LABELS = {"io.selfmonitor.member": "redis-1", "io.selfmonitor.workload": "redis"}


def listed(**attrs: Any) -> DockerContainer:
    return DockerContainer(SimpleNamespace(attrs={"Labels": LABELS, "State": "running", **attrs}))


def inspected(status: str) -> DockerContainer:
    attrs = {"State": {"Status": status}, "Config": {"Labels": LABELS}}
    return DockerContainer(SimpleNamespace(attrs=attrs, labels=LABELS))


def test_who_it_is_and_how_is_known_whether_it_was_listed_or_inspected() -> None:
    for found in (listed(State="paused"), inspected("paused")):
        assert (found.member, found.workload, found.state) == ("redis-1", "redis", "paused")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Up 5 minutes (healthy)", "healthy"),
        ("Up 5 minutes (unhealthy)", "unhealthy"),
        ("Up 5 minutes (health: starting)", ""),
        ("Up 5 minutes", ""),
        ("Exited (137) 1 s ago", ""),
    ],
)
def test_health_is_dockers_word_in_brackets(text: str, word: str) -> None:
    assert listed(Status=text).health == word


def test_its_address_is_that_of_the_one_segment_it_is_in() -> None:
    labels = {**LABELS, "io.selfmonitor.addresses": '{"selfmonitor-local-cache": "10.87.1.80"}'}
    assert listed(Labels=labels).address == "10.87.1.80"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (docker.errors.APIError("409", explanation="container is paused"), "container is paused"),
        (docker.errors.DockerException("no engine"), "no engine"),
    ],
)
def test_what_docker_refuses_is_told_in_its_words(error: Exception, told: str) -> None:
    def refuses(command: list[str]) -> Any:
        raise error

    found = listed()
    found.raw.exec_run = refuses
    with pytest.raises(CannotBeAsked, match=f"^{told}$"):
        found.exec_run(["x"])
    with pytest.raises(OperationFailed, match=f"^redis-1 cannot be asked: {told}$"):
        execute(found, ["x"])


def test_a_command_is_told_something_and_heard() -> None:
    mine, theirs = socket.socketpair()
    api = SimpleNamespace(
        exec_create=lambda name, command, stdin: {"Id": f"{name} {command} {stdin}"},
        exec_start=lambda identity, socket: mine if socket else identity,
    )
    raw = SimpleNamespace(id="abc", attrs={"Labels": LABELS}, client=SimpleNamespace(api=api))
    conversation = DockerContainer(raw).converse(["write-inside"])
    conversation.send(b"s3cret\n")
    assert theirs.recv(100) == b"s3cret\n"
    # Docker's own frames: 1 is standard output.
    theirs.sendall(struct.pack(">BxxxL", 1, 4) + b"1.5\n")
    theirs.close()
    assert list(conversation.said()) == [b"1.5\n"]
    conversation.close()


def test_a_persons_own_command_enters_it() -> None:
    found = listed(Names=["/selfmonitor-local-redis-1"])
    assert found.command_line(terminal=True, environment={"SECRET": "/tmp/x"}) == [
        *("docker", "exec", "-it", "-e", "SECRET=/tmp/x", "selfmonitor-local-redis-1"),
    ]
    assert found.command_line() == ["docker", "exec", "-i", "selfmonitor-local-redis-1"]


@pytest.mark.parametrize("follow", [True, False])
def test_its_log_comes_in_pieces(follow: bool) -> None:
    def logs(*, tail: int, stream: bool = False, follow: bool = False) -> Any:
        assert tail == 5
        return iter([b"one\n", b"two\n"]) if stream and follow else b"one\ntwo\n"

    found = listed()
    found.raw.logs = logs
    assert b"".join(found.logs(tail=5, follow=follow)) == b"one\ntwo\n"
