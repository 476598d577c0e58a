"""Each kind of Redis failure once on the real stack. Long campaigns are in benchmarks/."""

import json

import pytest

from cli.drill.redis_faults import FAULTS

# Far above the longest outage measured: finds what hangs for ever, not a loaded machine.
LONGEST_OUTAGE_SECONDS = 60
# What writing may pause for without anything having happened to it, on a loaded machine.
HICCUP_SECONDS = 5
# The stack's max_lag_seconds, which it leaves at its default.
MAX_LAG_SECONDS = 4
HOLD_SECONDS = {kind: fault.hold_seconds for kind, fault in FAULTS.items()}


def drill(stack, kind, *more):
    """The report on one run, and the run."""
    done = stack.run("drill", "redis", "--kind", kind, "--yes", "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["kinds"]
    [run] = found["each_run"]
    return found, run


@pytest.mark.parametrize("kind", FAULTS)
def test_writing_goes_on_and_redis_heals(stack, kind, tmp_path):
    picture = tmp_path / "run.svg"
    found, run = drill(stack, kind, "-o", str(picture))
    assert found["acked"] > 100
    assert found["recovered"] == 1
    assert found["unverified"] == 0
    assert set(run["outage_seconds_by_path"]) == {"router", "sentinel"}
    assert run["outage_seconds"] < LONGEST_OUTAGE_SECONDS
    assert picture.read_text().startswith(("<?xml", "<svg"))
    if kind in ("switchover", "process-kill", "node-kill", "freeze", "partition"):
        assert run["primary_after"] != run["primary_before"]
    if kind == "switchover":
        assert found["lost"] == 0
    if kind == "partition":
        assert 0 <= run["accepted_after_cut_seconds"] <= MAX_LAG_SECONDS
    if kind == "sentinel-loss":
        assert run["failovers"] == 0
        assert run["primary_after"] == run["primary_before"]
        assert found["lost"] == 0
        assert run["outage_seconds"] < HICCUP_SECONDS
    if kind == "quorum-loss":
        # Nobody may decide, so writing waits for as long as it holds.
        assert run["failovers"] == 0
        assert run["outage_seconds"] >= HOLD_SECONDS[kind]
    assert stack.becomes_healthy()


def test_rows_that_a_replica_confirmed_survive_the_primary(stack):
    found, run = drill(stack, "node-kill", "--wait", "1")
    assert found["acked"] > 100
    assert found["lost"] == 0
    assert run["primary_after"] != run["primary_before"]
    assert stack.becomes_healthy()


def test_more_replicas_than_there_are_cannot_be_waited_for(stack):
    refused = stack.run("drill", "redis", "--kind", "switchover", "--yes", "--wait", "3")
    assert refused.returncode == 2
    assert "--wait 3" in refused.stderr
