"""Each kind of failure once on the real stack. Long campaigns are in benchmarks/."""

import json

import pytest

from cli.drill.postgres_faults import FAULTS

# Long enough for a failover to happen before the fault is healed (ttl is 20 s), or for writing
# to be seen to go on or to wait.
HOLD = {"freeze": 28, "partition": 45, "consensus-loss": 12, "standby-loss": 5, "double": 5}
# Far above the longest outage measured, 22 s: finds what hangs for ever, not a loaded machine.
LONGEST_OUTAGE_SECONDS = 90


@pytest.mark.parametrize("kind", FAULTS)
def test_no_acknowledged_row_is_lost_and_the_cluster_heals(stack, kind, tmp_path):
    picture = tmp_path / "run.svg"
    arguments = ["drill", "postgres", "--kind", kind, "--yes", "-o", "json", "-o", str(picture)]
    if kind in HOLD:
        arguments += ["--hold", str(HOLD[kind])]
    done = stack.run(*arguments)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["kinds"]
    assert found["lost"] == 0
    assert found["acked"] > 100
    assert found["recovered"] == 1
    assert found["outage_seconds"]["max"] < LONGEST_OUTAGE_SECONDS
    assert picture.read_text().startswith(("<?xml", "<svg"))
    [run] = found["each_run"]
    if kind in ("switchover", "process-kill", "node-kill", "freeze", "partition"):
        assert run["primary_after"] != run["primary_before"]
    if kind == "partition":
        # Writing went on without the network, and the member still finds the others.
        assert found["outage_seconds"]["max"] < HOLD[kind]
        hosts = stack.containers("server")[run["primary_before"]].exec_run(["cat", "/etc/hosts"])
        named = hosts.output.decode().split()
        assert [each for each in ("postgres-1", "postgres-2", "etcd-1") if each not in named] == []
    if kind == "standby-loss":
        assert found["unreplicated"] == 0
        # Commits waited for as long as there was nobody to confirm them.
        assert found["outage_seconds"]["max"] >= HOLD[kind]
    if kind == "consensus-loss":
        assert run["primary_after"] == run["primary_before"]
        assert found["outage_seconds"]["max"] < HOLD[kind]
    assert stack.becomes_healthy()


def test_a_planned_change_of_primary_is_no_error_to_any_client(stack):
    """The routers hold back what comes while the primary moves. Without them each of the four
    clients would have a commit under way when the primary stops, in every run; on a machine that
    has far more to do than it can, a router may be too late in one.
    """
    for _ in range(3):
        done = stack.run(
            *("drill", "postgres", "--kind", "switchover", "--clients", "4", "--yes", "-o", "json")
        )
        assert done.returncode == 0, done.stderr
        [found] = json.loads(done.stdout)["kinds"]
        assert found["lost"] == 0
        assert stack.becomes_healthy()
        if not found["errors"] and not found["unknown"]:
            return
    raise AssertionError(f"clients saw errors in each of three switchovers: {found['errors']}")


def test_a_drill_on_any_stack_but_the_local_one_must_be_meant(stack):
    before = stack.status()["postgres"]
    refused = stack.run("drill", "postgres", "--kind", "node-kill")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert stack.status()["postgres"]["leader"] == before["leader"]
