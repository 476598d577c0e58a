"""Runs and campaigns against a cluster in memory: healing, recovery, loss, interruption."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from cli.drill.campaign import run_campaign
from cli.drill.faults import Fault, Heal
from cli.drill.postgres_faults import FAULTS
from cli.drill.report import complaints, verdict
from cli.drill.result import Campaign, MarkKind
from cli.drill.run import Event, Phase, Timing
from cli.drill.service import Service
from cli.drill.stop import StopRequest
from cli.drill.store import StoreError

pytestmark = pytest.mark.usefixtures("no_thread_left")

Carry = Callable[..., Campaign]


@pytest.fixture
def carry(postgres: Service, timing: Timing) -> Carry:
    """Carries out a campaign; by default one run of each kind given, held for 0.1 s.
    `limit`: how many seconds it waits for health, for an answer and for recovery."""

    def carry(
        *kinds: str,
        runs: int = 1,
        hold: float = 0.1,
        limit: float = 5.0,
        first_write: float = 0.05,
        stop: StopRequest | None = None,
        notify: Callable[[Event], None] = lambda event: None,
        faults: list[Fault] | None = None,
    ) -> Campaign:
        return run_campaign(
            postgres,
            faults or [FAULTS[kind].held_for(hold) for kind in kinds],
            runs=runs,
            clients=2,
            stop=stop or StopRequest(),
            notify=notify,
            finished=lambda result: None,
            timing=replace(
                timing,
                healthy_limit=limit,
                first_answer_limit=limit,
                recovery_limit=limit,
                first_write_limit=first_write,
            ),
        )

    return carry


@pytest.mark.parametrize(
    ("kind", "broken_then_undone"),
    [
        ("switchover", [("switchover", "")]),
        ("process-kill", [("kill_process", "postgres-1")]),
        ("node-kill", [("kill", "postgres-1"), ("start", "postgres-1")]),
        ("node-restart", [("restart", "postgres-1"), ("start", "postgres-1")]),
        ("freeze", [("pause", "postgres-1"), ("unpause", "postgres-1")]),
        ("partition", [("disconnect", "postgres-1"), ("reconnect", "postgres-1")]),
        (
            "standby-loss",
            [
                ("kill", "postgres-2"),
                ("kill", "postgres-3"),
                ("start", "postgres-3"),
                ("start", "postgres-2"),
            ],
        ),
        (
            "consensus-loss",
            [("kill", f"etcd-{n}") for n in (1, 2, 3)]
            + [("start", f"etcd-{n}") for n in (3, 2, 1)],
        ),
        (
            "double",
            [
                ("kill", "postgres-2"),
                ("kill", "postgres-1"),
                ("start", "postgres-1"),
                ("start", "postgres-2"),
            ],
        ),
    ],
)
def test_each_kind_breaks_and_undoes_what_it_says(
    kind: str, broken_then_undone: list[tuple[str, str]], carry: Carry, cluster: Any, database: Any
) -> None:
    campaign = carry(kind)
    (run,) = campaign.runs
    assert cluster.calls == broken_then_undone
    assert (run.failure, run.recovered, run.lost) == (None, True, 0)
    assert run.acked > 0
    assert run.restored_after is not None
    assert run.marks[0].kind is MarkKind.INJECTION
    assert run.marks[0].at == 0.0
    assert verdict(campaign) == 0
    assert not database.exists, "the table is dropped at the end"


def test_without_an_etcd_the_members_are_cut_from_the_platforms_own_store(
    carry: Carry, cluster: Any
) -> None:
    cluster.without = frozenset({"etcd"})
    (run,) = carry("consensus-loss").runs
    assert cluster.calls == [("cut_consensus", ""), ("mend_consensus", "")]
    assert run.marks[0].label == "cut the members off their consensus store"
    assert (run.failure, run.lost) == (None, 0)


def test_a_consensus_store_that_cannot_be_cut_off_is_mended_all_the_same(
    carry: Carry, cluster: Any
) -> None:
    cluster.without = frozenset({"etcd"})
    cluster.fail_on["cut_consensus", ""] = RuntimeError("forbidden")
    (run,) = carry("consensus-loss").runs
    assert cluster.calls[-1] == ("mend_consensus", "")
    assert run.failure is not None
    assert "forbidden" in run.failure


def test_every_kind_has_a_case_here() -> None:
    cases = test_each_kind_breaks_and_undoes_what_it_says.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert [kind for kind, _ in cases] == list(FAULTS)


def test_the_outage_of_a_failover_is_measured_from_the_injection(
    carry: Carry, cluster: Any
) -> None:
    cluster.failover_seconds = 0.15
    (run,) = carry("node-kill", hold=0.5).runs
    assert 0.13 < run.outage.seconds < 0.6
    assert -0.1 < run.outage.start < 0.1
    assert (run.primary_before, run.primary_after) == ("postgres-1", "postgres-2")
    (promotion,) = [mark for mark in run.marks if mark.kind is MarkKind.PROMOTION]
    assert promotion.label == "postgres-2"
    assert 0.13 < promotion.at < 0.6
    assert sum(error.type == "OperationalError" for error in run.errors) == 1


def test_a_killed_node_is_started_as_soon_as_writing_goes_on(carry: Carry) -> None:
    fault = FAULTS["node-kill"]
    assert fault.heal is Heal.ONCE_WRITING
    (run,) = carry(faults=[fault]).runs
    (healing,) = [mark for mark in run.marks if mark.kind is MarkKind.HEALING]
    assert run.outage.end <= healing.at < run.outage.end + 0.3


def test_an_acknowledged_row_that_is_absent_is_lost_and_fails_the_drill(
    carry: Carry, database: Any
) -> None:
    database.forget = lambda row: row[1:] == (1, 3)
    campaign = carry("switchover")
    (run,) = campaign.runs
    assert run.lost == 1
    assert [(row.client, row.seq) for row in run.lost_rows] == [(1, 3)]
    assert verdict(campaign) == 1
    assert "1 acknowledged rows are lost" in complaints(campaign)[0]


def test_commits_wait_while_no_standby_is_there(carry: Carry) -> None:
    (run,) = carry("standby-loss", hold=0.2).runs
    assert run.unreplicated == 0
    assert run.outage.seconds > 0.18


def test_a_commit_acknowledged_without_a_standby_fails_the_drill(
    carry: Carry, cluster: Any
) -> None:
    cluster.acknowledges_alone = True
    campaign = carry("standby-loss")
    (run,) = campaign.runs
    assert run.lost == 0
    assert run.unreplicated
    assert verdict(campaign) == 1


def test_the_same_commits_are_fine_where_a_standby_is_left(carry: Carry) -> None:
    (run,) = carry("consensus-loss").runs
    assert run.unreplicated is None


def test_a_cluster_that_does_not_recover_ends_the_campaign_after_healing(
    carry: Carry, cluster: Any
) -> None:
    cluster.never_recovers = True
    cluster.fail_on["start", "postgres-1"] = RuntimeError("no such container")
    campaign = carry("node-kill", runs=3, limit=0.4)
    (run,) = campaign.runs
    assert ("start", "postgres-1") in cluster.calls
    assert not run.recovered
    assert run.restored_after is None
    assert run.outage.seconds > 0.4, "the silence lasts until the drill gave up"
    assert run.failure is not None
    assert "healing failed: no such container" in run.failure
    assert "not recovered within" in run.failure
    assert "no write is answered" in run.failure
    assert campaign.ended_early == "node-kill run 1 failed"
    assert verdict(campaign) == 1


def test_a_member_that_does_not_come_back_is_no_recovery_though_writing_goes_on(
    carry: Carry, cluster: Any
) -> None:
    cluster.fail_on["start", "postgres-1"] = RuntimeError("no such container")
    campaign = carry("node-kill", limit=0.4)
    assert not campaign.runs[0].recovered
    assert "postgres-1 standby unreachable" in str(campaign.runs[0].failure)
    assert verdict(campaign) == 1


def test_what_was_broken_is_healed_when_the_fault_fails_half_way(
    carry: Carry, cluster: Any
) -> None:
    cluster.fail_on["kill", "etcd-2"] = RuntimeError("the engine is gone")
    campaign = carry("consensus-loss", runs=2)
    assert cluster.calls == [
        ("kill", "etcd-1"),
        ("kill", "etcd-2"),
        ("start", "etcd-2"),
        ("start", "etcd-1"),
    ]
    (run,) = campaign.runs
    assert run.recovered
    assert run.lost == 0
    assert run.failure == "consensus-loss could not be made: the engine is gone"
    assert verdict(campaign) == 1


def test_one_failed_healing_step_does_not_keep_the_others_from_running(
    carry: Carry, cluster: Any
) -> None:
    cluster.fail_on["start", "postgres-3"] = RuntimeError("no such container")
    carry("standby-loss", limit=0.3)
    assert ("start", "postgres-2") in cluster.calls


def test_an_interruption_heals_and_keeps_the_runs_before_it(
    carry: Carry, cluster: Any, database: Any
) -> None:
    stop = StopRequest()

    def interrupt_the_second(event: Event) -> None:
        if event.number == 2 and event.phase is Phase.HOLDING:
            stop.request()

    began = time.monotonic()
    campaign = carry("freeze", runs=5, stop=stop, notify=interrupt_the_second)
    assert time.monotonic() - began < 2
    assert [run.number for run in campaign.runs] == [1]
    assert cluster.calls[-1][0] == "unpause"
    assert not cluster.down
    assert campaign.interrupted
    assert campaign.ended_early
    assert verdict(campaign) == 130
    assert not database.exists


def test_an_interruption_that_could_not_heal_says_so(carry: Carry, cluster: Any) -> None:
    cluster.fail_on["unpause", "postgres-1"] = RuntimeError("the engine is gone")
    stop = StopRequest()
    threading.Timer(0.15, stop.request).start()
    campaign = carry("freeze", hold=5, stop=stop)
    assert campaign.unhealed == "healing failed: the engine is gone"
    assert verdict(campaign) == 1


def test_a_keyboard_interrupt_out_of_the_blue_heals_too(carry: Carry, cluster: Any) -> None:
    def interrupt(event: Event) -> None:
        if event.phase is Phase.HOLDING:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry("partition", notify=interrupt)
    assert cluster.calls == [("disconnect", "postgres-1"), ("reconnect", "postgres-1")]


def test_an_unhealthy_cluster_is_not_broken_further(carry: Carry, cluster: Any) -> None:
    cluster.down.add("postgres-3")
    campaign = carry("node-kill", limit=0.2)
    assert not cluster.calls
    assert not campaign.runs
    assert "postgres-3 standby unreachable" in str(campaign.ended_early)
    assert verdict(campaign) == 1


def test_a_cluster_that_takes_no_writes_is_not_broken_further(
    carry: Carry, cluster: Any, database: Any
) -> None:
    def refuse(connection: Any) -> None:
        raise psycopg.OperationalError("no more connections allowed")

    database.on_insert = refuse
    campaign = carry("node-kill", limit=0.2)
    assert not cluster.calls
    assert not campaign.runs
    assert "no more connections allowed" in str(campaign.ended_early)


def test_rows_that_cannot_be_read_back_are_not_called_safe(carry: Carry, database: Any) -> None:
    def refuse() -> None:
        raise psycopg.OperationalError("connection refused")

    database.on_select = refuse
    campaign = carry("switchover", runs=2)
    (run,) = campaign.runs
    assert run.lost is None
    assert run.unknown_found is None
    assert run.acked > 0
    assert "could not be read back: connection refused" in str(run.failure)
    assert verdict(campaign) == 1


def test_reading_back_is_tried_again(carry: Carry, database: Any) -> None:
    attempts = iter(range(100))

    def refuse_at_first() -> None:
        if next(attempts) < 2:
            raise psycopg.OperationalError("connection refused")

    database.on_select = refuse_at_first
    assert carry("switchover").runs[0].lost == 0


def test_health_for_a_moment_is_no_recovery(carry: Carry, cluster: Any) -> None:
    """Right after its death a primary still looks well: its last report is a moment old."""
    real = cluster.postgres_status
    killed_at: list[float] = []

    def kill_process(member: str) -> None:
        killed_at.append(time.monotonic())
        cluster.down.add(member)
        threading.Timer(0.1, cluster.down.discard, (member,)).start()

    def flattering() -> Any:
        status = real()
        return type(status)("postgres-1", status.members, healthy=True)

    cluster.never_recovers = True
    cluster.kill_process = kill_process
    cluster.postgres_status = flattering
    (run,) = carry("process-kill").runs
    assert run.restored_after is not None
    assert run.restored_after > 0.08
    assert run.outage.seconds > 0.08


def test_health_that_flickers_is_no_recovery(carry: Carry, cluster: Any) -> None:
    real_status, real_switchover = cluster.postgres_status, cluster.switchover
    switched_at: list[float] = []
    looks = iter(range(10**6))

    def switchover(to: str | None = None) -> str:
        switched_at.append(time.monotonic())
        return str(real_switchover(to))

    def flickering() -> Any:
        status = real_status()
        early = bool(switched_at) and time.monotonic() - switched_at[0] < 0.15
        healthy = status.healthy and not (early and next(looks) != 0)
        return type(status)(status.leader, status.members, healthy=healthy)

    cluster.switchover, cluster.postgres_status = switchover, flickering
    (run,) = carry("switchover").runs
    assert run.restored_after is not None
    assert run.restored_after > 0.13


def test_kinds_run_one_after_the_other(carry: Carry) -> None:
    campaign = carry("switchover", "node-restart", runs=2)
    assert [(run.kind, run.number) for run in campaign.runs] == [
        ("switchover", 1),
        ("switchover", 2),
        ("node-restart", 1),
        ("node-restart", 2),
    ]
    assert len({run.run_id for run in campaign.runs}) == 4
    assert campaign.ended_early is None


def test_a_table_that_cannot_be_dropped_is_mentioned(
    carry: Carry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Any) -> None:
        raise StoreError("OperationalError", None, "connection refused")

    monkeypatch.setattr("cli.drill.postgres_store.PostgresStore.drop", refuse)
    assert "selfmonitor_drill" in str(carry("switchover").leftover)


@pytest.mark.parametrize("failures", [1, 3])
def test_a_router_that_finds_the_primary_a_moment_late_keeps_no_drill_from_starting(
    carry: Carry, database: Any, failures: int
) -> None:
    attempts: list[int] = []

    def late() -> None:
        attempts.append(len(attempts))
        if len(attempts) <= failures:
            raise psycopg.OperationalError("server login has been failing")

    database.on_connect = late
    campaign = carry("switchover", first_write=60.0)
    assert campaign.runs[0].failure is None
    assert len(attempts) > failures


def test_who_asks_to_stop_before_anything_could_be_written_is_told_why_it_waited(
    carry: Carry, database: Any, cluster: Any
) -> None:
    stop = StopRequest()

    def refuse() -> None:
        stop.request()
        raise psycopg.OperationalError("no way in")

    database.on_connect = refuse
    with pytest.raises(StoreError, match="no way in"):
        carry("switchover", first_write=60.0, stop=stop)
    assert not cluster.calls
