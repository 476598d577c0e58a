"""Changes of primary on the real stack, as `events` tells them."""

import json
import queue
import signal
import subprocess
import threading
import time

import pytest

# An event is there within a second or two of the change.
EVENT_SECONDS = 30


def events(stack, *arguments):
    return json.loads(stack.ok("events", "-o", "json", "-n", "1000", *arguments))


def last_id(stack):
    return max((each["id"] for each in events(stack)), default=0)


def until(condition):
    """Whether it becomes so in time."""
    deadline = time.monotonic() + EVENT_SECONDS
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


class Following:
    """`events --follow` in a process of its own, its events in a queue."""

    def __init__(self, stack):
        self.running = stack.start("events", "--follow", "-n", "1", "-o", "json")
        self.events = queue.Queue()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        # Who follows has shown what was before.
        self.before = self.events.get(timeout=EVENT_SECONDS)

    def read(self):
        for line in self.running.stdout:
            if line.startswith("{"):
                self.events.put(json.loads(line))

    def next(self, service, kind):
        """The next event of a service and a kind; what else happens meanwhile is passed over."""
        while True:
            event = self.events.get(timeout=EVENT_SECONDS)
            if (event["service"], event["kind"]) == (service, kind):
                return event

    def end(self):
        self.running.send_signal(signal.SIGINT)
        return self.running.wait(timeout=EVENT_SECONDS)


@pytest.fixture
def following(stack):
    assert stack.becomes_healthy()
    found = Following(stack)
    yield found
    # In order: one that is killed leaves its follower in the container, for the next test to see.
    if found.running.poll() is None:
        try:
            found.end()
        except subprocess.TimeoutExpired:
            found.running.kill()
            found.running.wait()


def followers_in(stack):
    """Processes that follow inside the events container."""
    shown = stack.containers("server")["events-1"].top()
    return [line for line in shown["Processes"] if "follow=1" in " ".join(line)]


def test_each_service_has_begun_with_a_primary(stack):
    for service in ("postgres", "redis"):
        first = events(stack, "--service", service)[0]
        assert (first["kind"], first["old"]) == ("began", None)
        assert first["new"].startswith(f"{service}-")


def test_a_switchover_is_told_as_planned_with_both_primaries(stack, following):
    before = stack.status()["postgres"]
    target = next(m["name"] for m in before["members"] if m["name"] != before["leader"])
    last = last_id(stack)
    stack.ok("switchover", "--to", target)
    seen = following.next("postgres", "switchover")
    assert (seen["old"], seen["new"], seen["reason"]) == (before["leader"], target, "planned")
    assert not seen["seen_late"]
    assert [each for each in events(stack, "--service", "postgres") if each["id"] > last] == [seen]
    assert stack.becomes_healthy()


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_a_killed_primary_is_told_as_it_happens_by_its_name(stack, following, service):
    last = last_id(stack)
    done = stack.run("drill", service, "--kind", "process-kill", "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    [run] = json.loads(done.stdout)["kinds"][0]["each_run"]
    seen = following.next(service, "failover")
    assert (seen["old"], seen["new"]) == (run["primary_before"], run["primary_after"])
    assert run["primary_before"] in seen["reason"]
    # Once, although three Sentinels say it.
    changes = [
        each
        for each in events(stack, "--service", service)
        if each["id"] > last and each["kind"] == "failover"
    ]
    assert changes == [seen]
    assert stack.becomes_healthy()


def test_following_ends_with_ctrl_c_and_leaves_nothing_behind(stack, following):
    assert until(lambda: followers_in(stack))
    assert following.end() == 130
    assert until(lambda: not followers_in(stack))


def test_what_happened_while_nobody_watched_is_told_afterwards(stack):
    assert stack.becomes_healthy()
    before = stack.status()["postgres"]["leader"]
    last = last_id(stack)
    container = stack.containers("server")["events-1"]
    container.stop()
    try:
        stack.ok("switchover")
        stopped = stack.run("events")
        assert stopped.returncode == 1
        assert "./selfmonitor -s systest up" in stopped.stderr
    finally:
        container.start()
    assert stack.becomes_healthy()
    assert until(lambda: last_id(stack) > last)
    [late] = [each for each in events(stack, "--service", "postgres") if each["id"] > last]
    assert late["seen_late"]
    assert (late["old"], late["new"]) == (before, stack.status()["postgres"]["leader"])
    assert late["reason"] == "while nobody watched"


def test_a_follower_ends_in_order_when_the_container_stops(stack, following):
    container = stack.containers("server")["events-1"]
    container.stop()
    try:
        assert following.running.wait(timeout=EVENT_SECONDS) == 0
    finally:
        container.start()
    assert stack.becomes_healthy()


def test_nobody_reads_events_without_a_certificate_of_the_stack(stack):
    address = stack.address("events-1", "data")
    status, _ = stack.probe(
        f"curl --silent --insecure --max-time 5 https://{address}:8010/events",
        network=f"selfmonitor-{stack.name}-data",
    )
    assert status != 0
