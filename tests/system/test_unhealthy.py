"""A container that does not become healthy is named, with what it was waited for and its log."""

import pytest

from standalone.docker_objects import Containers
from standalone.plan import Action, ApplyError, Change, property_hashes


@pytest.fixture
def declared(stack):
    """A server that will not come up, declared as the platform declares one; gone afterwards."""
    name = f"selfmonitor-{stack.name}-unhealthy-1"
    inputs = {
        "name": name,
        "image": stack.containers("server")["router-1"].image.id,
        "command": ["/bin/sh", "-c", "echo cannot open the book; sleep 600"],
        "user": "10001:10001",
        "networkMode": "none",
        "readOnly": True,
        "capabilities": {"drops": ["ALL"]},
        "securityOpts": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "mustRun": True,
        "wait": True,
        "waitTimeout": 4,
        "memory": 64,
        "memorySwap": 64,
        "logDriver": "json-file",
        "logOpts": {"max-size": "1m"},
        "labels": [{"label": "io.selfmonitor.waits-for", "value": "the book to open"}],
        "healthcheck": {
            "tests": ["CMD", "/bin/sh", "-c", "echo the book is shut; exit 1"],
            "interval": "1s",
            "timeout": "1s",
            "retries": 1,
            "startPeriod": "1s",
        },
    }
    yield inputs
    for each in stack.client.containers.list(all=True, filters={"name": name}):
        each.remove(force=True)


def test_it_is_named_with_what_it_waited_for_its_log_and_its_last_check(stack, declared):
    handler = Containers(stack.client)
    with pytest.raises(ApplyError) as raised:
        handler.apply(declared, property_hashes(declared), Change(Action.CREATE), lambda text: None)
    message = str(raised.value)
    assert "selfmonitor-systest-unhealthy-1 does not become healthy" in message
    assert "waited for the book to open" in message
    assert "not ready after 4 s" in message
    assert "cannot open the book" in raised.value.details
    assert any("the book is shut" in line for line in raised.value.details)


def test_one_that_ends_again_and_again_is_given_up_before_its_time(stack, declared):
    inputs = {**declared, "waitTimeout": 300}
    inputs["command"] = ["/bin/sh", "-c", "echo the book is lost; exit 7"]
    with pytest.raises(ApplyError, match="last with exit status 7") as raised:
        Containers(stack.client).apply(
            inputs, property_hashes(inputs), Change(Action.CREATE), lambda text: None
        )
    assert "the book is lost" in raised.value.details


def test_up_says_so_and_exits_with_1(other, tmp_path):
    # Containers have no huge pages: PostgreSQL refuses to start, and Patroni keeps trying.
    path = tmp_path / "stack.yaml"
    text = other.file.read_text().replace(
        "    routers:", "    parameters: {huge_pages: 'on'}\n    routers:"
    )
    path.write_text(text)
    done = other.run("up", file=path)
    assert done.returncode == 1, done.stderr
    assert "postgres-1 does not become healthy" in done.stderr
    assert "waited for PostgreSQL to accept connections" in done.stderr
    assert "Failed to bootstrap cluster" in done.stderr
