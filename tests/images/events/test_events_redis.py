"""Changes of the Redis primary, from what three Sentinels say."""

from collections.abc import Callable
from typing import Any

import pytest

from watch_events.journal import Journal
from watch_events.notes import Notes
from watch_events.redis_story import RedisStory, View

A, B, C = "10.87.1.80:6379", "10.87.1.81:6379", "10.87.1.82:6379"
MEMBERS = {"10.87.1.80": "redis-1", "10.87.1.81": "redis-2", "10.87.1.82": "redis-3"}
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
S1, S2, S3 = SENTINELS

Told = Callable[[], list[tuple[Any, ...]]]


def words(address: str) -> str:
    return address.replace(":", " ")


class Group:
    """Three Sentinels, each with its own view, telling one story."""

    def __init__(self, journal: Journal, clock: Any) -> None:
        self.clock = clock
        self.notes = Notes({"redis": tuple(MEMBERS.values())}, clock)
        self.story = RedisStory("main", SENTINELS, MEMBERS, journal, self.notes, clock)

    def settle(self, address: str, epoch: int) -> None:
        """Everybody's view, as at the start."""
        for sentinel in SENTINELS:
            self.story.connected(sentinel, View(address, epoch))

    def says(self, sentinel: str, channel: str, address: str, more: str = "") -> None:
        self.story.said(sentinel, channel, f"master main {words(address)} {more}".strip())

    def moved(self, sentinel: str, old: str, new: str, epoch: int, now: str = "") -> None:
        """+switch-master; now: where the Sentinel is by the time it is asked."""
        payload = f"main {words(old)} {words(new)}"
        self.story.said(sentinel, "+switch-master", payload, View(now or new, epoch))

    def dies(self, address: str) -> None:
        """What a primary's death looks like until one Sentinel was elected."""
        for sentinel in SENTINELS:
            self.says(sentinel, "+sdown", address)
        self.says(S2, "+odown", address, "#quorum 2/2")
        self.says(S2, "+try-failover", address)
        self.says(S2, "+elected-leader", address)


@pytest.fixture
def group(journal: Journal, clock: Any) -> Group:
    return Group(journal, clock)


@pytest.fixture
def running(group: Group) -> Group:
    group.settle(A, 1)
    return group


BEGAN = ("began", None, "redis-1", "the watch began", False)


def test_the_first_start_names_the_primary_once_a_majority_is_heard(
    group: Group, told: Told
) -> None:
    group.story.connected(S1, View(A, 1))
    assert told() == []
    group.story.connected(S2, View(A, 1))
    group.story.connected(S3, View(A, 1))
    assert told() == [BEGAN]


def test_at_the_start_the_youngest_view_counts_and_one_that_was_cut_off_does_not(
    group: Group, told: Told
) -> None:
    group.story.connected(S1, View(A, 4))
    group.story.connected(S2, View(B, 5))
    assert told() == [("began", None, "redis-2", "the watch began", False)]


def test_a_change_all_announce_is_told_once(running: Group, told: Told, clock: Any) -> None:
    running.dies(A)
    running.moved(S1, A, B, 2)
    running.moved(S3, A, B, 2)
    clock.seconds += 9
    running.moved(S2, A, B, 2)
    reason = "redis-1 did not answer (3 of 3 Sentinels agreed)"
    assert told() == [BEGAN, ("failover", "redis-1", "redis-2", reason, False)]


def test_there_back_and_there_again_are_three_changes_whoever_repeats_when(
    running: Group, told: Told
) -> None:
    running.moved(S1, A, B, 2)
    running.moved(S1, B, A, 3)
    # One that lags: it announces the first change only now, and stands there.
    running.moved(S2, A, B, 2)
    # One that announces it late and has moved on by the time it is asked.
    running.moved(S3, A, B, 3, now=A)
    running.moved(S3, B, A, 3)
    running.moved(S1, A, B, 4)
    running.moved(S2, B, A, 4, now=B)
    running.moved(S2, A, B, 4)
    running.moved(S3, A, B, 4)
    assert [(old, new) for _, old, new, *_ in told()[1:]] == [
        ("redis-1", "redis-2"),
        ("redis-2", "redis-1"),
        ("redis-1", "redis-2"),
    ]


def test_a_change_the_only_witness_has_moved_on_from_is_told_all_the_same(
    running: Group, told: Told
) -> None:
    running.moved(S1, A, B, 3, now=C)
    running.moved(S1, B, C, 3)
    running.moved(S2, A, B, 2)
    running.moved(S2, B, C, 3)
    assert [(old, new) for _, old, new, *_ in told()[1:]] == [
        ("redis-1", "redis-2"),
        ("redis-2", "redis-3"),
    ]


def test_one_that_was_cut_off_and_comes_back_adds_nothing(running: Group, told: Told) -> None:
    running.story.lost(S3)
    running.moved(S1, A, B, 2)
    running.moved(S1, B, C, 3)
    before = told()
    running.story.connected(S3, View(A, 1))
    running.story.viewed(S3, View(A, 1))
    running.moved(S3, A, C, 3)
    assert told() == before


def test_the_leader_of_a_failover_between_epochs_is_not_believed(
    running: Group, told: Told
) -> None:
    """Until all replicas follow, it has the new epoch and the old address."""
    running.moved(S1, A, B, 2)
    between = View(A, 2, frozenset({"master", "failover_in_progress"}))
    running.story.viewed(S2, between)
    running.moved(S1, B, C, 3)
    running.story.viewed(S2, View(A, 4, frozenset({"master", "failover_in_progress"})))
    assert [new for _, _, new, *_ in told()] == ["redis-1", "redis-2", "redis-3"]


def test_a_change_nobody_was_heard_announcing_is_found_by_asking(
    running: Group, told: Told
) -> None:
    running.story.viewed(S1, View(B, 2))
    running.story.viewed(S2, View(B, 2))
    reason = "no Sentinel that was heard said why"
    assert told() == [BEGAN, ("failover", "redis-1", "redis-2", reason, False)]


def test_an_announcement_without_a_view_waits_for_one_who_knows(running: Group, told: Told) -> None:
    running.story.said(S1, "+switch-master", f"main {words(A)} {words(B)}", None)
    assert told() == [BEGAN]
    running.moved(S2, A, B, 2)
    assert len(told()) == 2


# Why.


def test_an_attempt_on_a_primary_that_is_well_is_a_planned_one(running: Group, told: Told) -> None:
    running.says(S1, "+try-failover", A)
    running.says(S1, "+elected-leader", A)
    running.moved(S2, A, B, 2)
    assert told()[1] == ("switchover", "redis-1", "redis-2", "planned", False)


def test_a_doubt_of_one_sentinel_alone_makes_no_failover_of_a_planned_one(
    running: Group, told: Told
) -> None:
    """Writes that are paused before a switchover can hold up a Sentinel's own ping."""
    running.says(S2, "+sdown", A)
    running.says(S1, "+try-failover", A)
    running.moved(S1, A, B, 2)
    assert told()[1][0] == "switchover"


def test_a_primary_back_before_the_change_did_not_answer_all_the_same(
    running: Group, told: Told
) -> None:
    running.dies(A)
    for sentinel in SENTINELS:
        running.says(sentinel, "-odown", A)
        running.says(sentinel, "-sdown", A)
    running.moved(S1, A, B, 2)
    reason = "redis-1 did not answer (3 of 3 Sentinels agreed)"
    assert told()[1] == ("failover", "redis-1", "redis-2", reason, False)


def test_the_sentinels_that_agreed_are_counted(running: Group, told: Told) -> None:
    running.says(S1, "+sdown", A)
    running.says(S2, "+sdown", A)
    running.says(S1, "+odown", A, "#quorum 2/2")
    running.says(S1, "+try-failover", A)
    running.moved(S1, A, C, 2)
    assert told()[1][3] == "redis-1 did not answer (2 of 3 Sentinels agreed)"


def test_votes_of_sentinels_that_are_not_heard_count_too(running: Group, told: Told) -> None:
    running.says(S1, "+odown", A, "#quorum 3/2")
    running.moved(S1, A, C, 2)
    assert told()[1][3] == "redis-1 did not answer (3 of 3 Sentinels agreed)"


def test_the_last_attempt_decides(running: Group, told: Told) -> None:
    """A planned one failed, and then the primary died."""
    running.says(S1, "+try-failover", A)
    running.dies(A)
    running.moved(S1, A, B, 2)
    assert told()[1][0] == "failover"


def test_an_old_attempt_says_nothing_of_a_change_today(
    running: Group, told: Told, clock: Any
) -> None:
    running.says(S1, "+try-failover", A)
    clock.seconds += 120
    running.story.viewed(S1, View(A, 1))
    running.says(S3, "+sdown", A)
    running.moved(S3, A, B, 2)
    assert told()[1][3] == "redis-1 did not answer (1 of 3 Sentinels agreed)"


def test_what_was_said_of_the_last_failover_is_forgotten(running: Group, told: Told) -> None:
    running.dies(A)
    running.moved(S1, A, B, 2)
    for sentinel in SENTINELS:
        running.story.viewed(sentinel, View(B, 2))
    running.says(S2, "+try-failover", B)
    running.moved(S1, B, A, 3)
    running.says(S2, "+try-failover", A)
    running.moved(S1, A, B, 4)
    assert [kind for kind, *_ in told()[1:]] == ["failover", "switchover", "switchover"]


def test_a_primary_found_down_before_the_subscription_was_down(running: Group, told: Told) -> None:
    down = frozenset({"master", "s_down", "o_down"})
    for sentinel in (S1, S2):
        running.story.connected(sentinel, View(A, 1, down))
    running.says(S1, "+try-failover", A)
    running.moved(S2, A, B, 2)
    assert told()[1][3] == "redis-1 did not answer (2 of 3 Sentinels agreed)"


def test_an_operators_note_makes_it_planned(running: Group, told: Told) -> None:
    running.notes.leave({"service": "redis", "kind": "switchover", "old": "redis-1"})
    running.moved(S1, A, B, 2)
    assert told()[1][0] == "switchover"


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("+sdown", f"slave 10.87.1.82:6379 10.87.1.82 6379 @ main {words(A)}"),
        ("+sdown", f"sentinel abc 10.87.1.97 26379 @ main {words(A)}"),
        ("+sdown", f"master other {words(A)}"),
        ("+sdown", "master main"),
        ("+new-epoch", "7"),
        ("+odown", ""),
        ("+switch-master", f"other {words(A)} {words(B)}"),
        ("+switch-master", "main"),
    ],
)
def test_what_is_said_of_others_changes_nothing(
    running: Group, told: Told, channel: str, payload: str
) -> None:
    running.story.said(S1, channel, payload, View(A, 1))
    running.says(S1, "+try-failover", A)
    running.moved(S1, A, B, 2)
    assert told()[1:] == [("switchover", "redis-1", "redis-2", "planned", False)]


# What did not happen.


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ("-failover-abort-no-good-slave", "no replica was fit to take over"),
        ("-failover-abort-not-elected", "no Sentinel was elected to carry it out"),
        ("-failover-abort-slave-timeout", "the replica chosen did not become primary in time"),
    ],
)
def test_an_attempt_that_failed_is_told_and_its_repeats_are_not(
    running: Group, told: Told, clock: Any, channel: str, reason: str
) -> None:
    for sentinel in SENTINELS:
        running.says(sentinel, "+sdown", A)
    for number in range(60):
        running.says(SENTINELS[number % 3], "+odown", A, "#quorum 2/2")
        running.says(SENTINELS[number % 3], "+try-failover", A)
        running.says(SENTINELS[number % 3], channel, A)
        clock.seconds += 20
        running.story.viewed(S1, View(A, 1))
    assert told() == [BEGAN, ("failover-aborted", "redis-1", None, reason, False)]


def test_a_failure_after_the_primary_was_well_again_is_another(running: Group, told: Told) -> None:
    for _ in range(2):
        running.dies(A)
        running.says(S2, "-failover-abort-no-good-slave", A)
        for sentinel in SENTINELS:
            running.says(sentinel, "-odown", A)
            running.says(sentinel, "-sdown", A)
    assert [kind for kind, *_ in told()] == ["began", "failover-aborted", "failover-aborted"]


def test_one_that_lost_the_election_to_another_is_no_failure(running: Group, told: Told) -> None:
    running.dies(A)
    running.says(S1, "-failover-abort-not-elected", A)
    running.moved(S2, A, B, 2)
    running.says(S3, "-failover-abort-not-elected", A)
    assert [kind for kind, *_ in told()] == ["began", "failover"]


# What nobody saw.


def test_after_a_restart_a_change_in_between_is_told_as_seen_late(
    running: Group, told: Told, journal: Journal, clock: Any
) -> None:
    again = Group(journal, clock)
    again.settle(A, 1)
    assert told() == [BEGAN]
    Group(journal, clock).settle(B, 2)
    late = ("failover", "redis-1", "redis-2", "while nobody watched", True)
    assert told() == [BEGAN, late]


def test_a_change_while_no_sentinel_answered_is_seen_late(
    running: Group, told: Told, clock: Any
) -> None:
    for _ in range(20):
        clock.seconds += 1
        for sentinel in SENTINELS:
            running.story.lost(sentinel)
    running.settle(B, 2)
    late = ("failover", "redis-1", "redis-2", "while nobody answered", True)
    assert told() == [BEGAN, late]


def test_a_change_while_the_watcher_itself_was_frozen_is_seen_late(
    running: Group, told: Told, clock: Any
) -> None:
    clock.seconds += 60
    running.story.lost(S1)
    clock.seconds += 1
    running.settle(B, 2)
    assert told()[1][3:] == ("while nobody watched", True)


def test_a_member_that_is_not_in_the_list_is_told_by_its_address(
    running: Group, told: Told
) -> None:
    running.moved(S1, A, "10.87.1.99:6379", 2)
    assert told()[1][2] == "10.87.1.99:6379"


def test_health_tells_who_is_heard(running: Group, clock: Any) -> None:
    clock.seconds += 2
    running.story.lost(S3)
    assert running.story.health() == {
        "primary": "redis-1",
        "last_seen_seconds_ago": 2.0,
        "sentinels": {S1: True, S2: True, S3: False},
    }
