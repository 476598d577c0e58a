"""Redis's kinds of fault against a cluster in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cli.drill.campaign import run_campaign
from cli.drill.redis_faults import FAULTS
from cli.drill.report import complaints, verdict
from cli.drill.result import Campaign
from cli.drill.run import Timing
from cli.drill.service import Service
from cli.drill.stop import StopRequest

pytestmark = pytest.mark.usefixtures("no_thread_left")

Carry = Callable[..., Campaign]


@pytest.fixture
def carry(redis: Service, timing: Timing) -> Carry:
    """One run of a kind, held for 0.1 s; `limit` as in test_drill_run."""

    def carry(kind: str, *, limit: float = 5.0, hold: float = 0.1) -> Campaign:
        return run_campaign(
            redis,
            [FAULTS[kind].held_for(hold)],
            runs=1,
            clients=3,
            stop=StopRequest(),
            notify=lambda event: None,
            finished=lambda result: None,
            timing=replace(
                timing, healthy_limit=limit, first_answer_limit=limit, recovery_limit=limit
            ),
        )

    return carry


@pytest.mark.parametrize(
    ("kind", "broken_then_undone"),
    [
        ("switchover", [("switchover", "")]),
        ("process-kill", [("kill_process", "redis-1")]),
        ("node-kill", [("kill", "redis-1"), ("start", "redis-1")]),
        ("freeze", [("pause", "redis-1"), ("unpause", "redis-1")]),
        (
            "partition",
            [("write_inside", "redis-1"), ("disconnect", "redis-1"), ("reconnect", "redis-1")],
        ),
        ("sentinel-loss", [("kill", "sentinel-1"), ("start", "sentinel-1")]),
        (
            "quorum-loss",
            [
                ("kill", "sentinel-1"),
                ("kill", "sentinel-2"),
                ("kill", "redis-1"),
                ("start", "sentinel-2"),
                ("start", "sentinel-1"),
                ("start", "redis-1"),
            ],
        ),
    ],
)
def test_each_kind_breaks_and_undoes_what_it_says(
    kind: str,
    broken_then_undone: list[tuple[str, str]],
    carry: Carry,
    redis: Any,
    redis_cluster: Any,
) -> None:
    campaign = carry(kind)
    (run,) = campaign.runs
    assert redis_cluster.calls == broken_then_undone
    assert (run.failure, run.recovered, run.lost) == (None, True, 0)
    assert set(run.paths) == {"router", "sentinel"}
    assert all(path.latencies for path in run.paths.values())
    assert verdict(campaign) == 0
    assert redis.store.dropped


def test_every_kind_has_a_case_here() -> None:
    cases = test_each_kind_breaks_and_undoes_what_it_says.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert [kind for kind, _ in cases] == list(FAULTS)


def test_a_partition_tells_how_long_the_old_primary_accepted(
    carry: Carry, redis_cluster: Any
) -> None:
    (run,) = carry("partition").runs
    assert run.inside is not None
    assert run.inside.accepted == 1
    assert 0.0 < run.inside.last <= 0.05
    assert redis_cluster.inside.closed
    assert carry("freeze").runs[0].inside is None


def test_a_writer_inside_that_fails_fails_the_run_and_is_closed(
    carry: Carry, redis_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = redis_cluster.write_inside

    def broken(member: str, seconds: float) -> Any:
        writer = made(member, seconds)
        monkeypatch.setattr(writer, "result", list)
        return writer

    redis_cluster.write_inside = broken
    campaign = carry("partition")
    assert "what was written from inside is not known" in str(campaign.runs[0].failure)
    assert redis_cluster.inside.closed
    assert verdict(campaign) == 1


def test_the_writer_inside_is_closed_when_the_cut_cannot_be_made(
    carry: Carry, redis_cluster: Any
) -> None:
    redis_cluster.fail_on["disconnect", "redis-1"] = RuntimeError("the engine is gone")
    (run,) = carry("partition").runs
    assert run.inside is None
    assert redis_cluster.inside.closed


def test_nobody_takes_over_while_the_quorum_is_lost(carry: Carry) -> None:
    (run,) = carry("quorum-loss", hold=0.3).runs
    assert run.failovers == 0
    assert run.outage.seconds > 0.25


def test_a_takeover_without_a_quorum_fails_the_drill(carry: Carry, redis_cluster: Any) -> None:
    redis_cluster.fails_over_without_quorum = True
    campaign = carry("quorum-loss", hold=0.3)
    assert campaign.runs[0].failovers == 1
    assert verdict(campaign) == 1
    assert "the primary changed 1 times while it must not" in complaints(campaign)[0]


def test_a_takeover_that_may_happen_is_not_counted_as_a_fault(carry: Carry) -> None:
    (run,) = carry("node-kill", hold=0.3).runs
    assert run.primary_after != run.primary_before
    assert run.failovers is None


def test_a_path_that_stays_silent_is_no_recovery(carry: Carry, redis: Any) -> None:
    redis.cluster.switchover = lambda to=None: setattr(redis.store, "silent_path", "sentinel")
    service = replace(redis, switchover=redis.cluster.switchover)
    campaign = run_campaign(
        service,
        [FAULTS["switchover"]],
        runs=1,
        clients=2,
        stop=StopRequest(),
        notify=lambda event: None,
        finished=lambda result: None,
        timing=Timing(5, 5, 0.05, 0.01, 0.3, 0.03, 0.05),
    )
    (run,) = campaign.runs
    assert not run.recovered
    assert "no write is answered" in str(run.failure)
    assert run.worst_path == "sentinel"
    assert run.outage.seconds > 0.29
    assert run.paths["router"].outage.seconds < 0.2


def test_a_path_that_is_silent_from_the_start_keeps_the_cluster_from_being_broken(
    carry: Carry, redis: Any, redis_cluster: Any
) -> None:
    redis.store.silent_path = "router"
    campaign = carry("node-kill", limit=0.2)
    assert not redis_cluster.calls
    assert "Timeout reading" in str(campaign.ended_early)
