"""handover: a planned change of primary, after which nothing that was acknowledged is missing."""

from collections.abc import Callable
from typing import Any

import pytest
import redis


@pytest.fixture
def hand_over(programs: Any, group: Callable[[str], Any], time: Any) -> Callable[..., str]:
    """Hands over from a member, redis-1 when not said."""

    def run(to: str | None = None, of: str = "redis-1") -> str:
        return str(programs.handover.hand_over(group(of), to))

    return run


@pytest.fixture
def refused(programs: Any, hand_over: Callable[..., str]) -> Callable[..., str]:
    """Why it was not done."""

    def run(*arguments: Any, **more: Any) -> str:
        with pytest.raises(programs.handover.NotHandedOver) as caught:
            hand_over(*arguments, **more)
        return str(caught.value)

    return run


PAUSE, UNPAUSE = "CLIENT PAUSE 20000 WRITE", "CLIENT UNPAUSE"
FAILOVER = "SENTINEL FAILOVER main"


def test_writes_pause_then_sentinel_fails_over_and_what_waited_is_refused_by_a_replica(
    world: Any, hand_over: Callable[..., str]
) -> None:
    assert hand_over() == "redis-2"
    assert world.commands() == [
        PAUSE,
        FAILOVER,
        "REPLICAOF 10.87.1.81 6379",
        UNPAUSE,
        "CLIENT KILL USER application",
    ]
    assert world.servers["redis-1"].follows == "redis-2"


def test_only_the_primary_is_paused_and_one_sentinel_asked(
    world: Any, hand_over: Callable[..., str]
) -> None:
    hand_over()
    changing = [each for each in world.log if each[1] in world.commands()]
    assert [name for name, _ in changing] == [
        *("redis-1", "sentinel-1", "redis-1", "redis-1", "redis-1")
    ]


def test_sentinel_is_asked_once_every_replica_has_everything(
    world: Any, hand_over: Callable[..., str]
) -> None:
    for name in ("redis-2", "redis-3"):
        world.servers[name].behind = 4
    seen = []
    world.on_failover.append(
        lambda: seen.append([world.servers[n].behind for n in ("redis-2", "redis-3")])
    )
    hand_over()
    assert seen == [[0, 0]]


def test_the_primarys_offset_is_read_after_writes_have_stopped(
    world: Any, hand_over: Callable[..., str]
) -> None:
    hand_over()
    said = [words for name, words in world.log if name == "redis-1"]
    assert said.index(PAUSE) < len(said) - 1 - said[::-1].index("INFO replication")


def test_all_that_is_waited_for_ends_before_writes_go_on_by_themselves(programs: Any) -> None:
    found = programs.handover
    together = 2 * found.CATCH_UP_SECONDS + found.PROMOTION_SECONDS
    assert together * 1000 < found.PAUSE_MS


# A chosen one.


def test_a_chosen_replica_is_preferred_before_and_like_all_others_afterwards(
    world: Any, hand_over: Callable[..., str]
) -> None:
    assert hand_over("redis-3") == "redis-3"
    assert world.commands() == [
        "CONFIG SET replica-priority 10",
        PAUSE,
        FAILOVER,
        "REPLICAOF 10.87.1.82 6379",
        UNPAUSE,
        "CLIENT KILL USER application",
        "CONFIG SET replica-priority 100",
    ]
    assert world.servers["redis-3"].priority == 100


def test_nothing_pauses_until_every_sentinel_that_answers_knows_the_preference(
    world: Any, hand_over: Callable[..., str], time: Any
) -> None:
    world.looks_until_known = 4
    world.servers["sentinel-2"].silent = True
    begun = time.seconds
    assert hand_over("redis-3") == "redis-3"
    assert time.seconds > begun
    slaves = [i for i, (_, words) in enumerate(world.log) if words.startswith("SENTINEL SLAVES")]
    assert max(slaves) < [words for _, words in world.log].index(PAUSE)
    assert len(slaves) == 6


def test_a_preference_no_sentinel_learns_of_changes_nothing(
    world: Any, refused: Callable[..., str]
) -> None:
    world.looks_until_known = 10**6
    assert refused("redis-3") == "the Sentinels do not see redis-3 as the preferred one"
    assert world.commands() == ["CONFIG SET replica-priority 10", "CONFIG SET replica-priority 100"]


@pytest.mark.parametrize("obstacle", ["refusal", "no promotion", "behind"])
def test_a_chosen_replica_is_like_all_others_again_when_it_did_not_come_to_it(
    world: Any, refused: Callable[..., str], obstacle: str
) -> None:
    if obstacle == "refusal":
        for each in world.sentinels:
            each.fails["SENTINEL FAILOVER"] = [redis.ResponseError("INPROG")] * 1000
    elif obstacle == "behind":
        world.servers["redis-2"].behind = 10**6
    else:
        world.promotes = False
    refused("redis-3")
    assert world.servers["redis-3"].priority == 100
    assert world.commands()[-2:] == [UNPAUSE, "CONFIG SET replica-priority 100"]


# Refusals: nothing has changed.


@pytest.mark.parametrize(
    ("prepare", "to", "reason"),
    [
        (
            lambda w: w.servers["redis-1"].fails.update({"INFO": [redis.ConnectionError("gone")]}),
            None,
            "redis-1 does not answer: gone",
        ),
        (
            lambda w: setattr(w.servers["redis-1"], "follows", "redis-2"),
            None,
            "redis-1 is not the primary",
        ),
        (
            lambda w: [setattr(w.servers[n], "link", False) for n in ("redis-2", "redis-3")],
            None,
            "no replica is in step",
        ),
        (
            lambda w: [setattr(w.servers[n], "priority", 0) for n in ("redis-2", "redis-3")],
            None,
            "no replica is in step",
        ),
        (
            lambda w: [setattr(w.servers[n], "silent", True) for n in ("redis-2", "redis-3")],
            None,
            "no replica is in step",
        ),
        (
            lambda w: setattr(w.servers["redis-3"], "link", False),
            "redis-3",
            "redis-3 is not in step",
        ),
        (lambda w: None, "redis-9", "redis-9 is not in step"),
        (
            lambda w: [setattr(w.servers[f"sentinel-{n}"], "silent", True) for n in (1, 2)],
            None,
            "no majority of the Sentinels takes this member for the primary",
        ),
        (
            lambda w: w.everybody_names("redis-2"),
            None,
            "no majority of the Sentinels takes this member for the primary",
        ),
        (lambda w: None, "redis-1", "redis-1 is not in step"),
    ],
)
def test_what_cannot_be_handed_over_is_refused_before_anything_changes(
    world: Any,
    refused: Callable[..., str],
    prepare: Callable[[Any], Any],
    to: str | None,
    reason: str,
) -> None:
    prepare(world)
    assert refused(to) == reason
    assert world.commands() == []


# Failures: writing goes on where it was.


def test_replicas_that_do_not_catch_up_let_writing_go_on(
    world: Any, refused: Callable[..., str], time: Any
) -> None:
    world.servers["redis-3"].behind = 10**6
    begun = time.seconds
    assert refused() == "the replicas do not catch up"
    assert world.commands() == [PAUSE, UNPAUSE]
    assert time.seconds - begun == pytest.approx(3.0, abs=0.1)


def test_a_replica_that_falls_silent_is_not_taken_for_caught_up(
    world: Any, refused: Callable[..., str]
) -> None:
    before = world.answer

    def answer(server: Any, words: list[str]) -> Any:
        if words[:2] == ["CLIENT", "PAUSE"]:
            world.servers["redis-3"].silent = True
        return before(server, words)

    world.answer = answer
    assert refused() == "the replicas do not catch up"
    assert world.commands() == [PAUSE, UNPAUSE]


def test_a_refusal_of_every_sentinel_lets_writing_go_on_and_is_told(
    world: Any, refused: Callable[..., str]
) -> None:
    world.servers["sentinel-1"].silent = True
    for name in ("sentinel-2", "sentinel-3"):
        world.servers[name].fails["SENTINEL FAILOVER"] = [redis.ResponseError("INPROG")] * 1000
    assert refused() == (
        "no Sentinel carries it out: sentinel-1: no answer; sentinel-2: INPROG; sentinel-3: INPROG"
    )
    assert world.commands() == [PAUSE, UNPAUSE]


def test_the_next_sentinel_is_asked_when_one_refuses_and_all_again_after_a_while(
    world: Any, hand_over: Callable[..., str]
) -> None:
    for each in world.sentinels:
        each.fails["SENTINEL FAILOVER"] = [redis.ResponseError("NOGOODSLAVE")]
    assert hand_over() == "redis-2"
    assert world.commands().count(FAILOVER) == 1
    assert [len(each.fails["SENTINEL FAILOVER"]) for each in world.sentinels] == [0, 0, 0]


def test_a_failover_that_promotes_nobody_lets_writing_go_on(
    world: Any, refused: Callable[..., str], time: Any
) -> None:
    world.promotes = False
    begun = time.seconds
    assert refused() == "no replica was promoted within 12 s"
    assert world.commands() == [PAUSE, FAILOVER, UNPAUSE]
    assert time.seconds - begun == pytest.approx(12.0, abs=0.1)
    assert world.servers["redis-1"].follows is None


def test_whoever_interrupts_it_does_not_leave_writes_paused(
    world: Any, hand_over: Callable[..., str]
) -> None:
    def interrupts() -> None:
        raise KeyboardInterrupt

    world.on_failover.append(interrupts)
    with pytest.raises(KeyboardInterrupt):
        hand_over()
    assert world.commands() == [PAUSE, FAILOVER, UNPAUSE]
