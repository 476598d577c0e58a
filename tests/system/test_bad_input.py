"""Bad input on a machine that has Docker: one clear error, exit status 2, nothing changed."""

import socket

import pytest
import yaml


@pytest.fixture
def bad(stack, tmp_path):
    """Runs `up` with a changed stack file; returns its one line of complaint."""

    def run(change, command="up"):
        content = yaml.safe_load(stack.file.read_text())
        change(content["config"])
        path = tmp_path / "stack.yaml"
        path.write_text(yaml.safe_dump(content))
        before = {name: each.id for name, each in stack.containers().items()}
        state = stack.state_file.read_text()
        done = stack.run(command, file=path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert {name: each.id for name, each in stack.containers().items()} == before
        assert stack.state_file.read_text() == state
        complaints = [line for line in done.stderr.splitlines() if line.startswith("selfmonitor:")]
        assert len(complaints) == 1, done.stderr
        return complaints[0]

    return run


def postgres(**values):
    def change(config):
        config["selfmonitor:postgres"].update(values)

    return change


def redis(**values):
    def change(config):
        config["selfmonitor:redis"].update(values)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (postgres(membres=3), ["membres", "did you mean members?"]),
        (postgres(memory_mib="1GB"), ["memory_mib", "whole number of MiB", "1GB"]),
        (postgres(members=4), ["members", "must be odd"]),
        (postgres(members=1), ["members", "greater than or equal to 3"]),
        (redis(sentinels=2), ["redis.sentinels", "greater than or equal to 3", "got 2"]),
        (redis(quorum=4), ["redis", "quorum (4) is more than there are sentinels (3)"]),
        (
            redis(memory_mib=512, maxmemory_mib=600),
            ["redis", "maxmemory_mib (600) is more than memory_mib (512)"],
        ),
        (redis(port=25442), ["redis.port (25442)", "read_write_port (25432)", "port 25442"]),
        (lambda c: c.update({"selfmonitor:subnet": "10.93.0.0/24"}), ["subnet", "too small"]),
        (lambda c: c.update({"selfmonitor:subnets": "x"}), ["subnets", "did you mean subnet?"]),
    ],
)
def test_a_bad_stack_file_is_one_line_and_changes_nothing(bad, change, words):
    complaint = bad(change)
    for word in words:
        assert word in complaint


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (
            "postgres.routers.read_write_port",
            lambda port: postgres(routers={"read_write_port": port, "read_only_port": 25433}),
        ),
        ("redis.port", lambda port: redis(port=port)),
    ],
)
def test_a_port_in_use_is_named_with_who_uses_it(bad, key, change):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        complaint = bad(change(port))
    assert f"port {port} is in use by" in complaint
    assert "python" in complaint or "pytest" in complaint
    assert f"set {key} in" in complaint


def test_a_subnet_that_is_taken_is_named_with_by_whom(bad, stack):
    import docker.types

    pool = docker.types.IPAMPool(subnet="10.95.3.0/24")
    taken = stack.client.networks.create(
        "selfmonitor-systest-taken", ipam=docker.types.IPAMConfig(pool_configs=[pool])
    )
    try:
        complaint = bad(lambda config: config.update({"selfmonitor:subnet": "10.95.0.0/20"}))
    finally:
        taken.remove()
    assert "10.95.0.0/20 collides with Docker network selfmonitor-systest-taken" in complaint
    assert "selfmonitor:subnet" in complaint


def test_an_address_this_machine_does_not_have_is_refused(bad):
    change = {"selfmonitor:bind_address": "192.0.2.1"}
    assert "192.0.2.1 is no address of this machine" in bad(lambda c: c.update(change))


def test_a_stack_that_does_not_exist_is_refused_with_those_that_do(stack):
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "cli", "-s", "locla", "up"],
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "did you mean local?" in done.stderr
