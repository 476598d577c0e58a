"""Changes of the PostgreSQL primary, from what each member says once a second."""

from collections.abc import Callable
from typing import Any

import pytest

from watch_events.journal import Journal
from watch_events.notes import NOTE_SECONDS, Notes
from watch_events.postgres_story import Answer, PostgresStory, read

MEMBERS = ("postgres-1", "postgres-2", "postgres-3")
ONE, TWO, THREE = MEMBERS
STARTED = "2026-11-22T12:00:00.000Z"
BEGAN = ("began", None, ONE, "the watch began", False)

Told = Callable[[], list[tuple[Any, ...]]]


def primary(timeline: int) -> Answer:
    return Answer("primary", "running", timeline)


def standby(timeline: int = 3) -> Answer:
    return Answer("replica", "streaming", timeline)


class Cluster:
    """Three members and what Patroni remembers."""

    def __init__(self, journal: Journal, clock: Any) -> None:
        self.clock = clock
        self.history: Any = []
        self.notes = Notes({"postgres": MEMBERS}, clock)
        self.story = PostgresStory(
            MEMBERS, journal, self.notes, self.remember, clock, lambda: STARTED
        )

    def remember(self, member: str) -> Any:
        if isinstance(self.history, Exception):
            raise self.history
        return self.history

    def look(self, one: Any = None, two: Any = None, three: Any = None) -> None:
        """One round, a second after the last."""
        self.clock.seconds += 1
        for member, answer in zip(MEMBERS, (one, two, three), strict=True):
            self.story.heard(member, answer)


@pytest.fixture
def cluster(journal: Journal, clock: Any) -> Cluster:
    return Cluster(journal, clock)


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    cluster.look(primary(3), standby(), standby())
    return cluster


def test_the_first_start_names_the_primary_once_every_member_was_asked(
    cluster: Cluster, told: Told
) -> None:
    cluster.story.heard(ONE, primary(3))
    cluster.story.heard(TWO, None)
    assert told() == []
    cluster.story.heard(THREE, standby())
    assert told() == [BEGAN]


def test_as_long_as_nobody_is_primary_nothing_is_told(cluster: Cluster, told: Told) -> None:
    cluster.look(standby(), None, Answer("primary", "starting", 3))
    assert told() == []
    cluster.look(primary(3), None, standby())
    assert told() == [BEGAN]


def test_of_two_at_the_start_the_younger_timeline_is_in_office(
    cluster: Cluster, told: Told
) -> None:
    cluster.look(primary(3), primary(4), standby())
    assert told() == [("began", None, TWO, "the watch began", False)]


@pytest.mark.parametrize(
    "gone",
    [
        None,
        Answer("primary", "crashed", None),
        Answer("primary", "unknown", None),
        Answer("primary", "starting", None),
        Answer("primary", "start failed", None),
        Answer("primary", "stopped", None),
    ],
)
def test_a_primary_that_could_not_be_reached_did_not_answer(
    running: Cluster, told: Told, gone: Answer | None
) -> None:
    running.look(gone, standby(), standby())
    running.look(gone, standby(), standby())
    # It may be back, as a standby, in the very round that shows the new one.
    running.look(standby(), primary(4), standby())
    assert told() == [BEGAN, ("failover", ONE, TWO, f"{ONE} did not answer", False)]


@pytest.mark.parametrize(
    "looks",
    [
        [],
        [Answer("primary", "stopping", None)],
        [Answer("primary", "stopping", None), None, None],
        [Answer("replica", "running", 3), Answer("replica", "stopped", None)],
        [Answer("replica", "streaming", 4)],
    ],
)
def test_a_primary_that_stepped_down_while_it_answered_gave_up_its_role(
    running: Cluster, told: Told, looks: list[Answer | None]
) -> None:
    for look in looks:
        running.look(look, standby(), standby())
    running.look(*([looks[-1]] if looks else [standby(4)]), primary(4), standby())
    assert told()[1] == ("failover", ONE, TWO, f"{ONE} gave up its role", False)


def test_a_primary_that_was_away_for_a_moment_and_then_stepped_down_gave_up_its_role(
    running: Cluster, told: Told
) -> None:
    running.look(None, standby(), standby())
    running.look(primary(3), standby(), standby())
    running.look(standby(4), primary(4), standby())
    assert told()[1][3] == f"{ONE} gave up its role"


def test_one_that_was_cut_off_and_still_claims_its_office_is_no_change(
    running: Cluster, told: Told
) -> None:
    running.look(None, primary(4), standby())
    before = told()
    for _ in range(3):
        running.look(primary(3), primary(4), standby())
        running.look(primary(3), None, None)
    assert told() == before


def test_a_primary_that_promotes_itself_anew_is_no_change_and_its_timeline_is_known(
    running: Cluster, told: Told
) -> None:
    running.look(None, None, None)
    running.look(primary(4), standby(), standby())
    running.look(primary(4), primary(4), standby())
    assert told() == [BEGAN]


def test_there_and_back_are_two_changes(running: Cluster, told: Told) -> None:
    running.look(standby(), primary(4), standby())
    running.look(primary(5), standby(), standby())
    assert [(old, new) for _, old, new, *_ in told()[1:]] == [(ONE, TWO), (TWO, ONE)]


# What was meant.


def note(old: str = ONE) -> dict[str, str]:
    return {"service": "postgres", "kind": "switchover", "old": old}


def test_a_note_makes_the_next_change_a_switchover_and_only_the_next(
    running: Cluster, told: Told
) -> None:
    running.notes.leave(note())
    running.look(Answer("primary", "stopping", None), standby(), standby())
    running.look(standby(), primary(4), standby())
    running.look(primary(5), None, standby())
    running.look(None, primary(6), standby())
    assert [(kind, reason) for kind, _, _, reason, _ in told()[1:]] == [
        ("switchover", "planned"),
        ("failover", f"{TWO} gave up its role"),
        ("failover", f"{ONE} did not answer"),
    ]


def test_a_note_on_another_member_or_too_old_says_nothing(
    running: Cluster, told: Told, clock: Any
) -> None:
    running.notes.leave(note(TWO))
    running.notes.leave(note(ONE))
    for _ in range(int(NOTE_SECONDS)):
        running.look(primary(3), standby(), standby())
    running.look(None, primary(4), standby())
    assert told()[1][0] == "failover"


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        note() | {"service": "etcd"},
        note() | {"service": ["postgres"]},
        note() | {"kind": "failover"},
        note() | {"old": "postgres-9"},
        note() | {"old": None},
    ],
)
def test_what_is_no_note_is_refused(running: Cluster, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"note|there are|only"):
        running.notes.leave(wrong)


# What nobody saw.


HISTORY = [
    [1, 100, "no recovery target specified", "2026-11-20T08:00:00.5+00:00", ONE],
    [2, 200, "no recovery target specified", "2026-11-21T08:00:00+00:00", ONE],
    [3, 300, "no recovery target specified", "2026-11-22T09:00:00.123456+01:00", TWO],
    [4, 400, "no recovery target specified", "2026-11-22T10:00:00+00:00", TWO],
    [5, 500, "no recovery target specified", "2026-11-22T11:00:00+00:00", ONE],
]


def test_after_a_restart_each_change_in_between_is_told_at_its_own_time(
    running: Cluster, journal: Journal, clock: Any
) -> None:
    again = Cluster(journal, clock)
    again.history = HISTORY
    again.look(primary(6), standby(), standby())
    found = [(event.time, event.old, event.new, event.generation) for event in journal.after(1)]
    assert found == [
        ("2026-11-22T08:00:00.123Z", ONE, TWO, 4),
        ("2026-11-22T11:00:00.000Z", TWO, ONE, 6),
    ]
    assert all(event.seen_late for event in journal.after(1))
    assert {event.reason for event in journal.after(1)} == {"while nobody watched"}


@pytest.mark.parametrize(
    "history",
    [
        [],
        {},
        OSError("gone"),
        ValueError("no JSON"),
        [[3, 300, "no leader's name", "2026-11-22T09:00:00+00:00"]],
        [[3, 300, "", "yesterday", TWO], ["3", 300, "", "2026-11-22", TWO], 7, [3, 1, 2, 3, 4]],
    ],
)
def test_without_a_history_the_change_is_told_at_the_moment_it_is_found(
    running: Cluster, journal: Journal, clock: Any, history: Any
) -> None:
    again = Cluster(journal, clock)
    again.history = history
    again.look(standby(), primary(4), standby())
    [late] = journal.after(1)
    assert (late.time, late.old, late.new, late.generation) == (STARTED, ONE, TWO, 4)
    assert late.seen_late


def test_a_history_that_lags_behind_is_completed(
    running: Cluster, journal: Journal, clock: Any
) -> None:
    again = Cluster(journal, clock)
    again.history = HISTORY[:3]
    again.look(primary(6), standby(), standby())
    found = [(event.time, event.new) for event in journal.after(1)]
    assert found == [("2026-11-22T08:00:00.123Z", TWO), (STARTED, ONE)]


def test_a_restart_without_a_change_tells_nothing(
    running: Cluster, journal: Journal, told: Told, clock: Any
) -> None:
    again = Cluster(journal, clock)
    again.history = HISTORY[:2]
    again.look(primary(3), standby(), standby())
    assert told() == [BEGAN]


def test_at_a_restart_one_on_an_older_timeline_is_believed_only_if_nobody_else_comes(
    running: Cluster, journal: Journal, told: Told, clock: Any
) -> None:
    running.look(None, primary(4), standby())
    before = told()
    again = Cluster(journal, clock)
    again.look(primary(3), None, None)
    assert told() == before
    again.look(primary(3), primary(4), standby())
    assert told() == before
    anew = Cluster(journal, clock)
    for _ in range(40):
        anew.look(primary(1), standby(1), standby(1))
    assert told()[len(before) :] == [("failover", TWO, ONE, "while nobody watched", True)]


def test_a_change_while_the_watcher_was_frozen_is_told_at_its_own_time(
    running: Cluster, journal: Journal, clock: Any
) -> None:
    running.history = HISTORY[:3]
    clock.seconds += 300
    running.look(standby(4), primary(4), standby(4))
    [late] = journal.after(1)
    assert (late.time, late.new, late.reason) == (
        "2026-11-22T08:00:00.123Z",
        TWO,
        "while nobody watched",
    )


def test_a_primary_elected_long_after_the_members_answer_again_is_no_late_one(
    running: Cluster, told: Told
) -> None:
    for _ in range(30):
        running.look(None, None, None)
    for _ in range(10):
        running.look(None, standby(), standby())
    running.look(None, primary(4), standby())
    assert told()[1] == ("failover", ONE, TWO, f"{ONE} did not answer", False)


# What Patroni answers.


def test_an_answer_is_read_as_patroni_gives_it() -> None:
    found = read({"role": "primary", "state": "running", "timeline": 7, "xlog": {}})
    assert found == primary(7)
    assert found.in_office
    assert read({"role": "master", "state": "running", "timeline": 7}).in_office
    assert not read({"state": "stopped", "role": "replica"}).in_office


@pytest.mark.parametrize("timeline", [None, 0, -1, "7", True, 1.5])
def test_a_primary_without_a_timeline_is_in_no_office(timeline: Any) -> None:
    assert not read({"role": "primary", "state": "running", "timeline": timeline}).in_office


@pytest.mark.parametrize("nonsense", [None, [], "primary", 7])
def test_what_patroni_does_not_answer_is_an_error(nonsense: Any) -> None:
    with pytest.raises(ValueError, match="not what Patroni answers"):
        read(nonsense)
