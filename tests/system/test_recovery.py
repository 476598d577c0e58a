"""Everything but one vault is destroyed under load, and the stack comes back from it."""

import datetime

import pytest

from benchmarks import recovery
from benchmarks.stack import Stack as Measured
from cli.docker_cluster import DockerCluster
from cli.project import ROOT, Project

# Longer than a WAL segment may stay open, or the promise would be kept by chance.
LOAD_SECONDS = 75


@pytest.fixture
def measured(other):
    """A second stack, as the benchmarks use one, and up."""
    other.ok("up")
    assert other.becomes_healthy()
    cluster = DockerCluster(Project(ROOT, other.name, other.file), other.client)
    return Measured(cluster, other.client, tuple(other.command()))


def what_came_back(found):
    assert found["acked_commits"] > 500
    assert found["recovered_commits"] > 0
    assert found["holes_commits"] == 0
    assert found["lost_seconds"] <= found["promised_seconds"], found
    assert found["writes_after_seconds"] is not None
    assert found["redis_is_back"]
    assert found["healthy"]


@pytest.mark.parametrize("source", ["vault", "copy"])
def test_all_but_the_last_minute_comes_back(other, measured, source):
    found = recovery.destroy(measured, source=source, load_seconds=LOAD_SECONDS)
    what_came_back(found)
    assert found["promised_seconds"] < recovery.PROMISED_SECONDS + 120
    # It is a stack like any other now: nothing to change, and it goes on backing up.
    assert "nothing to change" in other.ok("up")
    # Its scheduler may be at it already.
    recovery.run_job(measured, "full")
    recovery.wait_for_window(measured, datetime.datetime.now(datetime.UTC))
    other.ok("verify-restore")


def test_a_stack_that_lost_its_data_is_not_begun_afresh_unasked(other, measured):
    recovery.run_job(measured, "full")
    with other.connect() as connection:
        connection.execute("CREATE TABLE kept (id int)")
    recovery.remove_all_but(measured, "vault-1")
    refused = other.run("up")
    assert refused.returncode == 2
    assert "up --from-backup" in refused.stderr
    assert not [name for name in other.containers("server") if name.startswith("postgres")]
    other.ok("up", "--from-backup")
    assert other.becomes_healthy(120)
    again = other.run("up", "--from-backup")
    assert again.returncode == 2
    assert "has PostgreSQL data" in again.stderr
