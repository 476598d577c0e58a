"""An `up` that is killed, a stack that goes down and comes back, a machine that loses power."""

import fcntl
import json
import signal
import subprocess
import time

import pytest

# What both databases are to hold.
KEPT = ([(42,)], "43")


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def passwords_in(state_file):
    resources = json.loads(state_file.read_text())["resources"]
    return {
        urn: entry["outputs"]["result"]
        for urn, entry in resources.items()
        if "result" in entry["outputs"]
    }


def write_data(stack):
    with stack.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id int PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES (42)")
    with stack.redis() as client:
        client.set("kept", "43")


def read_data(stack):
    with stack.connect() as connection, stack.redis() as client:
        return connection.execute("SELECT id FROM kept").fetchall(), client.get("kept")


def test_an_up_that_is_killed_again_and_again_is_finished_by_the_next(other):
    # Killed where it hurts: values just made, members being born, the job about to run.
    moments = {
        "the state file is there": (other.state_file.exists, signal.SIGKILL),
        "a first server exists": (lambda: "etcd-1" in other.containers("server"), signal.SIGINT),
        "PostgreSQL is being born": (
            lambda: "postgres-1" in other.containers("server"),
            signal.SIGKILL,
        ),
        "the last member starts": (
            lambda: "postgres-3" in other.containers("server"),
            signal.SIGKILL,
        ),
    }
    kept: dict[str, str] = {}
    for what, (condition, number) in moments.items():
        process = other.start("up")
        try:
            wait_for(lambda c=condition, p=process: c() or p.poll() is not None, what)
            assert process.poll() is None, process.communicate()[0]
            process.send_signal(number)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
        if number == signal.SIGINT:
            assert process.returncode == 130, output
            assert "Traceback" not in output
        if other.state_file.exists():
            now = passwords_in(other.state_file)
            assert {urn: now[urn] for urn in kept} == kept
            kept = now
    other.ok("up")
    assert kept.items() <= passwords_in(other.state_file).items()
    write_data(other)
    assert "nothing to change" in other.ok("up")

    # Down and up: the same data under the same passwords.
    before = passwords_in(other.state_file)
    other.ok("down")
    assert other.containers() == {}
    other.ok("up")
    assert passwords_in(other.state_file) == before
    assert read_data(other) == KEPT

    # Power loss: every process gone at once, none of them having said goodbye.
    other.kill_at_once(other.containers("server"))
    other.ok("up")
    assert read_data(other) == KEPT

    # Without its state file, data is not handed to new passwords.
    hidden = other.state_file.with_name("elsewhere.json")
    other.state_file.rename(hidden)
    try:
        refused = other.run("up")
    finally:
        hidden.rename(other.state_file)
    assert refused.returncode == 2
    assert "state.json is missing" in refused.stderr
    assert read_data(other) == KEPT


def test_a_second_command_that_changes_the_stack_is_refused(stack):
    with open(stack.state_file.parent / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = stack.run("up")
    assert refused.returncode == 1
    assert "being changed by another command" in refused.stderr


def test_a_stopped_and_a_frozen_member_are_woken_by_up(stack):
    servers = stack.containers("server")
    servers["etcd-2"].stop()
    servers["router-2"].pause()
    output = stack.run("up").stderr
    assert "etcd-2 woken (was stopped)" in output
    assert "router-2 woken (was paused)" in output
    assert stack.becomes_healthy()


def test_a_command_whose_output_is_no_longer_read_ends_quietly(stack):
    done = subprocess.run(
        " ".join([*stack.command("status", "-o", "json"), "| head -c 1"]),
        shell=True,
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["corrupt", "another stack's"])
def test_a_bad_state_file_is_refused_and_left_alone(stack, word):
    good = stack.state_file.read_text()
    bad = good[: len(good) // 2] if word == "corrupt" else good.replace('"systest"', '"else"', 1)
    assert bad != good
    stack.state_file.write_text(bad)
    try:
        refused = stack.run("up")
        left = stack.state_file.read_text()
    finally:
        stack.state_file.write_text(good)
    assert refused.returncode == 2, refused.stderr
    assert str(stack.state_file) in refused.stderr
    assert ("is corrupt" if word == "corrupt" else "belongs to stack") in refused.stderr
    assert left == bad
