"""member: what a Redis member starts as, when it may be promoted, and how it is looked after."""

import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

TERM, HUP = int(signal.SIGTERM), int(signal.SIGHUP)


# What it starts as.


@pytest.fixture
def decision(programs: Any, group: Callable[[str], Any], time: Any) -> Callable[..., Any]:
    def found(name: str, has_data: bool = True) -> Any:
        return programs.member.Decision(group(name), time.monotonic, lambda: has_data)

    return found


def without(world: Any, *names: str) -> None:
    for name in names:
        world.servers[name].silent = True


def test_a_member_that_another_is_primary_of_becomes_its_replica(
    decision: Callable[..., Any],
) -> None:
    assert decision("redis-3").look() == ("redis-1", None)


def test_without_a_majority_of_the_sentinels_it_waits_for_as_long_as_it_takes(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    without(world, "sentinel-1", "sentinel-3", "redis-2", "redis-3")
    found = decision("redis-1")
    for _ in range(5):
        assert found.look() == (None, "waiting for a majority of the Sentinels")
        time.seconds += 1000


def test_a_primary_that_crashed_waits_for_those_that_may_take_over(
    decision: Callable[..., Any],
) -> None:
    assert decision("redis-1").look() == (
        None,
        "was the primary; waiting for redis-2 or redis-3 to take over",
    )


def test_it_waits_for_a_replica_that_lost_it_too(world: Any, decision: Callable[..., Any]) -> None:
    for name in ("redis-2", "redis-3"):
        world.servers[name].link = False
    primary, why = decision("redis-1").look()
    assert primary is None
    assert "redis-2 or redis-3" in why


def test_it_is_held_back_for_a_minute_and_no_longer(
    decision: Callable[..., Any], time: Any
) -> None:
    found = decision("redis-1")
    assert found.look()[0] is None
    time.seconds += 59.9
    assert found.look()[0] is None
    time.seconds += 0.1
    assert found.look() == ("redis-1", None)


def test_when_nobody_could_take_over_it_starts_as_the_primary(
    world: Any, decision: Callable[..., Any]
) -> None:
    """All were stopped: the others start with a priority of 0 and wait for it."""
    for name in ("redis-2", "redis-3"):
        world.servers[name].priority = 0
    assert decision("redis-1").look() == ("redis-1", None)


@pytest.mark.parametrize(("seconds", "waits"), [(0, True), (12, True), (13, False)])
def test_nobody_takes_over_who_has_been_without_it_for_longer_than_sentinel_allows(
    world: Any, decision: Callable[..., Any], seconds: int, waits: bool
) -> None:
    for name in ("redis-2", "redis-3"):
        world.servers[name].link, world.servers[name].down_since = False, seconds
    assert decision("redis-1").look()[0] == (None if waits else "redis-1")


def test_one_who_is_late_does_not_hide_another_who_is_not(
    world: Any, decision: Callable[..., Any]
) -> None:
    world.servers["redis-2"].link, world.servers["redis-2"].down_since = False, 500
    assert decision("redis-1").look() == (
        None,
        "was the primary; waiting for redis-3 to take over",
    )


def test_a_replica_of_somebody_else_is_not_waited_for(
    world: Any, decision: Callable[..., Any]
) -> None:
    world.servers["redis-2"].follows = world.servers["redis-3"].follows = "redis-2"
    assert decision("redis-1").look() == ("redis-1", None)


def test_others_that_do_not_answer_may_be_heirs_on_a_busy_machine_for_three_seconds(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    without(world, "redis-2", "redis-3")
    found = decision("redis-1")
    assert found.look() == (None, "was the primary; not all others answer")
    time.seconds += 2.9
    assert found.look()[0] is None
    time.seconds += 0.1
    assert found.look() == ("redis-1", None)


def test_one_silent_member_is_enough_to_wait_for(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    world.servers["redis-2"].priority = 0
    without(world, "redis-3")
    found = decision("redis-1")
    assert found.look()[0] is None
    time.seconds += 3
    assert found.look()[0] == "redis-1"


def test_a_silence_that_ended_does_not_count_towards_the_next(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    found = decision("redis-1")
    without(world, "redis-2", "redis-3")
    assert found.look()[0] is None
    for name in ("redis-2", "redis-3"):
        world.servers[name].silent = False
    time.seconds += 5
    assert found.look()[0] is None
    without(world, "redis-2", "redis-3")
    time.seconds += 5
    assert found.look() == (None, "was the primary; not all others answer")


def test_a_silence_is_measured_anew_when_the_sentinels_were_gone_in_between(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    found = decision("redis-1")
    without(world, "redis-2", "redis-3")
    found.look()
    world.everybody_names(None)
    time.seconds += 5
    found.look()
    world.everybody_names("redis-1")
    assert found.look()[0] is None


def test_a_peer_that_is_primary_already_is_waited_for_until_the_sentinels_say_so(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    world.promote("redis-3")
    found = decision("redis-1")
    time.seconds += 100
    assert found.look() == (None, "redis-3 is primary; waiting for the Sentinels to say so")
    world.everybody_names("redis-3")
    assert found.look() == ("redis-3", None)


@pytest.mark.parametrize("sentinels_know", [True, False])
def test_a_failover_between_its_two_looks_is_seen_by_one_of_them(
    world: Any, decision: Callable[..., Any], sentinels_know: bool
) -> None:
    """Whichever it asks first: it never starts as a second primary."""
    found = decision("redis-1")
    changed = []
    before = world.answer

    def answer(server: Any, words: list[str]) -> Any:
        said = before(server, words)
        asked = {name for name, _ in world.log}
        first_look = ({"redis-2", "redis-3"}, {"sentinel-1", "sentinel-2", "sentinel-3"})
        if not changed and any(look <= asked for look in first_look):
            changed.append(True)
            world.promote("redis-2")
            world.servers["redis-3"].follows = "redis-2"
            if sentinels_know:
                world.everybody_names("redis-2")
        return said

    world.answer = answer
    assert found.look()[0] == ("redis-2" if sentinels_know else None)
    assert changed


def nobody_is_an_heir(world: Any) -> None:
    for name in ("redis-2", "redis-3"):
        world.servers[name].priority = 0


def test_a_primary_that_lost_its_data_does_not_start_while_others_have_it(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    """They would copy the emptiness."""
    nobody_is_an_heir(world)
    found = decision("redis-1", has_data=False)
    for _ in range(3):
        assert found.look() == (None, "has lost its data, which redis-2 and redis-3 still has")
        time.seconds += 1000


def test_one_who_still_has_the_data_is_enough(world: Any, decision: Callable[..., Any]) -> None:
    nobody_is_an_heir(world)
    world.servers["redis-2"].keys = 0
    assert decision("redis-1", has_data=False).look() == (
        None,
        "has lost its data, which redis-3 still has",
    )


def test_nor_does_it_after_the_minute_it_was_held_back_for(
    decision: Callable[..., Any], time: Any
) -> None:
    found = decision("redis-1", has_data=False)
    found.look()
    time.seconds += 60
    primary, why = found.look()
    assert primary is None
    assert "has lost its data" in why


def test_where_nobody_has_data_the_first_primary_starts_without_any(
    world: Any, decision: Callable[..., Any], time: Any
) -> None:
    nobody_is_an_heir(world)
    for each in world.members:
        each.keys = 0
    assert decision("redis-1", has_data=False).look() == ("redis-1", None)
    without(world, "redis-2", "redis-3")
    found = decision("redis-1", has_data=False)
    found.look()
    time.seconds += 3
    assert found.look() == ("redis-1", None), "a stack's very first member"


def test_a_member_whose_redis_has_run_before_has_data(
    programs: Any, world: Any, group: Callable[[str], Any], tmp_path: Path, monkeypatch: Any
) -> None:
    nobody_is_an_heir(world)
    monkeypatch.setattr(programs.member, "LOG", str(tmp_path / "appendonlydir"))
    found = programs.member.Decision(group("redis-1"))
    assert found.look()[0] is None
    (tmp_path / "appendonlydir").mkdir()
    assert found.look()[0] == "redis-1"


class Patience:
    """An Event whose waiters change the world."""

    def __init__(self, *changes: Callable[[], None]) -> None:
        self.changes = list(changes)
        self.asked = False

    def is_set(self) -> bool:
        return self.asked

    def wait(self, seconds: float) -> None:
        assert 0 < seconds < 1
        if self.changes:
            self.changes.pop(0)()
        else:
            self.asked = True


def test_it_asks_until_it_knows_and_says_each_reason_once(
    programs: Any, world: Any, group: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.everybody_names(None)
    stopping = Patience(
        lambda: None, lambda: world.everybody_names("redis-2"), lambda: pytest.fail("it knew")
    )
    assert programs.member.decide(group("redis-1"), stopping) == "redis-2"
    assert capsys.readouterr().err == "member: waiting for a majority of the Sentinels\n"


def test_asked_to_stop_it_decides_nothing(
    programs: Any, world: Any, group: Callable[[str], Any]
) -> None:
    world.everybody_names(None)
    assert programs.member.decide(group("redis-1"), Patience()) is None


# The file it starts Redis with.


def test_a_replicas_file_names_its_primary_and_a_primarys_does_not(
    programs: Any, group: Callable[[str], Any], tmp_path: Path
) -> None:
    path = tmp_path / "redis.conf"
    programs.member.write_configuration(group("redis-2"), "redis-3", str(path))
    replica = [
        "include /etc/selfmonitor/redis.conf",
        "include /etc/selfmonitor/secrets.conf",
        "replica-announce-ip 10.87.1.81",
        "replicaof 10.87.1.82 6379",
    ]
    assert path.read_text().splitlines() == replica
    programs.member.write_configuration(group("redis-2"), "redis-2", str(path))
    assert path.read_text().splitlines() == replica[:3]


def test_the_file_is_for_its_user_alone_whatever_the_umask(
    programs: Any, group: Callable[[str], Any], tmp_path: Path
) -> None:
    path = tmp_path / "redis.conf"
    before = os.umask(0)
    try:
        programs.member.write_configuration(group("redis-2"), "redis-1", str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# When it may be promoted.

PRIMARY = {"role": "master"}
IN_STEP = {"role": "slave", "master_link_status": "up"}
CUT = {"role": "slave", "master_link_status": "down"}


@pytest.mark.parametrize(
    ("looks", "priorities"),
    [
        # Not before it was in step for the first time.
        ([CUT, CUT], [None, None]),
        ([CUT, IN_STEP], [None, 100]),
        ([PRIMARY], [100]),
        # Kept when the primary is lost: that is what it is there for.
        ([IN_STEP, CUT, CUT], [100, None, None]),
        ([IN_STEP, CUT, PRIMARY], [100, None, None]),
        # A primary that lost the role may hold what nobody else has.
        ([PRIMARY, CUT, CUT, IN_STEP], [100, 0, None, 100]),
        ([PRIMARY, IN_STEP, CUT], [100, None, None]),
        ([PRIMARY, CUT, PRIMARY, CUT], [100, 0, 100, 0]),
        ([IN_STEP, PRIMARY, CUT, IN_STEP, CUT], [100, None, 0, 100, None]),
    ],
)
def test_it_may_be_promoted_once_it_was_in_step_and_not_after_it_lost_the_role(
    programs: Any, looks: list[dict[str, str]], priorities: list[int | None]
) -> None:
    found = programs.member.Eligibility()
    told = []
    for info in looks:
        told.append(found.look(info))
        if told[-1] is not None:
            found.taken(told[-1])
    assert told == priorities


@pytest.mark.parametrize(
    ("before", "now", "priority"),
    [([], IN_STEP, 100), ([PRIMARY], CUT, 0), ([PRIMARY], IN_STEP, None)],
)
def test_it_says_so_again_until_redis_has_taken_it(
    programs: Any, before: list[dict[str, str]], now: dict[str, str], priority: int | None
) -> None:
    found = programs.member.Eligibility()
    for info in before:
        found.taken(found.look(info))
    assert [found.look(now) for _ in range(3)] == [priority] * 3


# Whom it follows when its primary is gone.


@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({}, None),
        ({"redis-3": {"role": "slave", "master_replid2": "ours"}}, None),
        ({"redis-3": {"role": "master", "master_replid2": "ours"}}, "redis-3"),
        ({"redis-3": {"role": "master", "master_replid2": "0" * 40}}, None),
        ({"redis-3": {"role": "master", "master_replid2": "another's"}}, None),
        ({"redis-3": {"role": "master"}}, None),
        (
            {
                "redis-2": {"role": "master", "master_replid2": "another's"},
                "redis-3": {"role": "master", "master_replid2": "ours"},
            },
            "redis-3",
        ),
    ],
)
def test_only_a_peer_with_the_same_history_is_followed(
    programs: Any, others: dict[str, dict[str, str]], name: str | None
) -> None:
    assert programs.member.successor({"master_replid": "ours"}, others) == name


# While it runs.


@pytest.fixture
def member(
    programs: Any,
    group: Callable[[str], Any],
    processes: Any,
    time: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., int]:
    """Runs a member whose Redis plays the steps given, one list for each time it is started;
    after the last step it is asked to stop. Returns the exit status.
    """
    monkeypatch.setattr(programs.member, "LOOK_SECONDS", 0)
    monkeypatch.setattr(programs.member, "ORPHAN_LOOK_SECONDS", 0)
    monkeypatch.setattr(
        programs.member, "hand_over", lambda group: processes.told.append("hands over") or "redis-2"
    )
    (tmp_path / "secrets.conf").write_text("masteruser replication\nmasterauth pass word\n")

    def run(name: str, *plays: list[Callable[[Any], None]]) -> int:
        *before, last = plays
        processes.plays = [*before, [*last, lambda _: processes.signal(TERM)]]
        return int(programs.member.Member(group(name)).run())

    return run


def nothing(_: Any) -> None:
    """A look at which all is as before."""


def test_asked_to_stop_it_hands_over_before_redis_is_stopped(
    member: Callable[..., int], processes: Any
) -> None:
    assert member("redis-3", [nothing]) == 0
    assert processes.commands == [["/usr/bin/redis-server", str(the_file(processes))]]
    assert processes.told == ["started", "hands over", f"signal {TERM}"]


def the_file(processes: Any) -> Path:
    return Path(processes.commands[0][1])


def test_who_cannot_hand_over_stops_all_the_same(
    programs: Any,
    member: Callable[..., int],
    processes: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for refusal in (programs.member.NotHandedOver("no heir"), redis.ConnectionError("no answer")):

        def refuses(group: Any, refusal: Exception = refusal) -> None:
            raise refusal

        processes.told.clear()
        monkeypatch.setattr(programs.member, "hand_over", refuses)
        assert member("redis-3", [nothing]) == 0
        assert processes.told == ["started", f"signal {TERM}"]
        assert f"not handed over: {refusal}" in capsys.readouterr().err


def test_a_redis_that_does_not_stop_is_killed(
    member: Callable[..., int], processes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def digs_in(process: Any) -> None:
        process.stubborn = True

    assert member("redis-3", [digs_in]) == 0
    assert processes.told == ["started", "hands over", f"signal {TERM}", "killed"]
    assert "did not stop within 25 s: killed" in capsys.readouterr().err


def test_asked_to_stop_before_it_knows_what_it_is_it_starts_nothing(
    programs: Any, world: Any, group: Callable[[str], Any], processes: Any
) -> None:
    world.everybody_names(None)
    found = programs.member.Member(group("redis-1"))
    asked = threading.Timer(0.05, lambda: processes.signal(TERM))
    asked.start()
    assert found.run() == 0
    assert processes.told == []


def test_a_replica_may_be_promoted_after_its_first_synchronisation(
    world: Any, member: Callable[..., int]
) -> None:
    own = world.servers["redis-3"]
    own.priority, own.link = 0, False
    seen = []

    def synchronised(_: Any) -> None:
        seen.append(own.priority)
        own.link = True

    member("redis-3", [nothing, nothing, synchronised, lambda _: seen.append(own.priority)])
    assert seen == [0, 100]
    assert world.commands("redis-3") == ["CONFIG SET replica-priority 100"]


def test_a_priority_that_redis_did_not_take_is_set_again(
    world: Any, member: Callable[..., int]
) -> None:
    own = world.servers["redis-3"]
    own.priority = 0
    own.fails["CONFIG SET"] = [redis.TimeoutError("busy"), redis.TimeoutError("busy")]
    member("redis-3", [nothing] * 4)
    assert own.priority == 100
    assert len(world.commands("redis-3")) == 1


def test_while_redis_loads_its_data_it_is_left_alone(
    world: Any, member: Callable[..., int], processes: Any
) -> None:
    own = world.servers["redis-3"]
    own.fails["INFO"] = [redis.BusyLoadingError("loading"), redis.ConnectionError("not yet")]
    assert member("redis-3", [nothing] * 4) == 0
    assert own.fails["INFO"] == []
    assert len(processes.commands) == 1
    assert world.commands("redis-3") == ["CONFIG SET replica-priority 100"]


def loses_its_primary(world: Any) -> Callable[[Any], None]:
    def change(_: Any) -> None:
        world.servers["redis-1"].silent = True
        world.servers["redis-3"].link = False

    return change


def test_a_replica_follows_the_promoted_peer_before_sentinel_tells_it(
    world: Any, member: Callable[..., int]
) -> None:
    member(
        "redis-3",
        [nothing, loses_its_primary(world), nothing, lambda _: world.promote("redis-2"), nothing],
    )
    assert world.commands("redis-3") == [
        "CONFIG SET replica-priority 100",
        "REPLICAOF 10.87.1.81 6379",
    ]


def test_it_looks_among_its_peers_alone_and_not_at_the_dead_primary(
    world: Any, member: Callable[..., int]
) -> None:
    """The dead one's silence would take longer than all the rest."""
    asked = []
    before = world.answer

    def answer(server: Any, words: list[str]) -> Any:
        if len(asked) < 3:
            asked.append(server.name)
        return before(server, words)

    loses = loses_its_primary(world)

    def begins(process: Any) -> None:
        loses(process)
        world.answer = answer

    member("redis-3", [nothing, begins, nothing])
    assert asked == ["redis-3", "redis-2", "redis-3"]


def test_it_does_not_follow_a_primary_of_another_history(
    world: Any, member: Callable[..., int]
) -> None:
    def stranger(_: Any) -> None:
        world.promote("redis-2")
        world.servers["redis-2"].history_before = "c" * 40

    member("redis-3", [nothing, loses_its_primary(world), stranger, nothing, nothing])
    assert world.commands("redis-3") == ["CONFIG SET replica-priority 100"]


def test_who_was_never_in_step_leaves_it_to_sentinel(
    world: Any, member: Callable[..., int]
) -> None:
    world.servers["redis-3"].link = False
    world.promote("redis-2")
    member("redis-3", [nothing, nothing])
    assert world.commands("redis-3") == []


def test_a_primary_that_was_demoted_may_not_be_promoted_until_it_is_in_step(
    world: Any, member: Callable[..., int]
) -> None:
    own = world.servers["redis-1"]
    for name in ("redis-2", "redis-3"):
        world.servers[name].priority = 0
    seen = []

    def demoted(_: Any) -> None:
        world.promote("redis-2")
        own.follows, own.link = "redis-2", False

    def in_step(_: Any) -> None:
        seen.append(own.priority)
        own.link = True

    member("redis-1", [nothing, demoted, nothing, in_step, nothing])
    assert (seen, own.priority) == ([0], 100)


def test_a_redis_that_ends_is_started_in_place_as_what_it_is_then(
    world: Any,
    member: Callable[..., int],
    processes: Any,
    time: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = []

    def dies(process: Any) -> None:
        files.append(the_file(processes).read_text())
        time.seconds += 60
        world.promote("redis-2")
        world.everybody_names("redis-2")
        process.end(-9)

    def again(_: Any) -> None:
        files.append(the_file(processes).read_text())

    assert member("redis-3", [nothing, dies], [again]) == 0
    assert ["replicaof 10.87.1.80" in files[0], "replicaof 10.87.1.81" in files[1]] == [True] * 2
    assert "Redis ended with status -9" in capsys.readouterr().err
    assert processes.told == ["started", "started", "hands over", f"signal {TERM}"]


def test_a_redis_started_again_must_be_in_step_again_first(
    world: Any, member: Callable[..., int], time: Any
) -> None:
    """Its file says priority 0, and it may have missed much."""
    own = world.servers["redis-3"]
    seen = []

    def dies(process: Any) -> None:
        time.seconds += 60
        own.priority, own.link = 0, False
        process.end(-9)

    def synchronised(_: Any) -> None:
        seen.append(own.priority)
        own.link = True

    member("redis-3", [nothing, dies], [nothing, nothing, synchronised, nothing])
    assert (seen, own.priority) == ([0], 100)


@pytest.mark.parametrize("seconds", [0.0, 4.9])
def test_a_redis_that_ends_at_once_leaves_further_attempts_to_the_platform(
    member: Callable[..., int], processes: Any, time: Any, seconds: float
) -> None:
    def dies(process: Any) -> None:
        time.seconds += seconds
        process.end(1)

    assert member("redis-3", [dies], [nothing]) == 1
    assert len(processes.commands) == 1


# Renewed files.

READ = [
    "CONFIG SET tls-cert-file {0}/tls.crt tls-key-file {0}/tls.key tls-ca-cert-file {0}/ca.crt "
    "masterauth pass word",
    "ACL LOAD",
]


def reading(tmp_path: Path) -> list[str]:
    return [each.format(tmp_path) for each in READ]


def test_renewed_files_are_read_by_the_running_redis(
    world: Any, member: Callable[..., int], processes: Any, tmp_path: Path
) -> None:
    assert member("redis-3", [nothing, lambda _: processes.signal(HUP), nothing, nothing]) == 0
    assert world.commands("redis-3")[1:] == reading(tmp_path)
    assert len(processes.commands) == 1


@pytest.mark.parametrize("which", ["CONFIG SET tls", "ACL LOAD", "INFO"])
def test_files_that_could_not_be_read_yet_are_read_at_the_next_look(
    world: Any,
    member: Callable[..., int],
    processes: Any,
    tmp_path: Path,
    which: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def renewed(_: Any) -> None:
        world.servers["redis-3"].fails[which] = [redis.TimeoutError("it is busy")]
        processes.signal(HUP)

    member("redis-3", [nothing, renewed, nothing, nothing])
    assert world.commands("redis-3")[-2:] == reading(tmp_path)
    said = capsys.readouterr().err
    assert said.count("not read again yet: it is busy") == 1
    assert said.count("certificates and users read again") == 1


def test_after_that_it_comes_with_its_own_renewed_certificate(
    programs: Any,
    world: Any,
    processes: Any,
    time: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(programs.member, "LOOK_SECONDS", 0)
    monkeypatch.setattr(programs.member, "hand_over", lambda group: "nobody")
    (tmp_path / "secrets.conf").write_text("masterauth x\n")
    made = []

    def connect(address: str, port: int) -> Any:
        made.append(address)
        return world.connect("redis-3")(address, port)

    group = programs.group.Group(world.configuration(), "redis-3", connect)
    processes.plays = [
        [nothing, lambda _: processes.signal(HUP), nothing, lambda _: processes.signal(TERM)]
    ]
    programs.member.Member(group).run()
    assert made.count("127.0.0.1") == 2
