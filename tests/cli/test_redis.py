"""How Redis is, from what its members and Sentinels say; and how its primary is moved."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.errors import OperationFailed, UserError
from cli.redis import RedisStatus, combine, parse_answers, parse_info

NOW = 1_800_000_000.0
NAMES = {f"10.87.1.{79 + n}": f"redis-{n}" for n in (1, 2, 3)}


def figures(**changes: str) -> dict[str, str]:
    return {
        "used_memory": "1048576",
        "maxmemory": "268435456",
        "aof_enabled": "1",
        "aof_last_write_status": "ok",
        "aof_last_bgrewrite_status": "ok",
        "rdb_last_bgsave_status": "ok",
        "rdb_last_save_time": str(int(NOW) - 90),
        **changes,
    }


def primary(offset: int = 5000, **changes: str) -> dict[str, str]:
    return {"role": "master", "master_repl_offset": str(offset), **figures(**changes)}


def replica(received: int = 5000, link: str = "up", **changes: str) -> dict[str, str]:
    return {
        "role": "slave",
        "master_link_status": link,
        "slave_repl_offset": str(received),
        # Of its own stream; not to be mistaken for the primary's.
        "master_repl_offset": "999999",
        **figures(**changes),
    }


def says(
    address: str = "10.87.1.80", word: str = "OK 3 usable Sentinels. Quorum reached"
) -> list[str]:
    return [address, "6379", word]


def status(infos: dict[str, Any] | None = None, words: dict[str, Any] | None = None) -> RedisStatus:
    """redis-1 is primary and all are well, but for what is given."""
    healthy_infos = {"redis_1": primary(), "redis_2": replica(), "redis_3": replica()}
    healthy_words = {f"sentinel_{n}": says() for n in (1, 2, 3)}
    return combine(
        {name.replace("_", "-"): each for name, each in {**healthy_infos, **(infos or {})}.items()},
        {name.replace("_", "-"): each for name, each in {**healthy_words, **(words or {})}.items()},
        NAMES,
        NOW,
    )


def test_a_primary_all_agree_on_with_its_replicas_in_step_is_healthy() -> None:
    found = status()
    assert found.healthy
    assert found.leader == "redis-1"
    assert [(m.name, m.role, m.state, m.lag_bytes) for m in found.members] == [
        ("redis-1", "primary", "running", None),
        ("redis-2", "replica", "in step", 0),
        ("redis-3", "replica", "in step", 0),
    ]
    assert [(s.name, s.state, s.primary, s.quorum, s.usable) for s in found.sentinels] == [
        (f"sentinel-{n}", "healthy", "redis-1", True, 3) for n in (1, 2, 3)
    ]


def test_a_second_primary_is_called_what_it_is() -> None:
    found = status({"redis_3": primary(offset=9000)})
    assert found.leader == "redis-1"
    assert (found.members[2].role, found.members[2].state) == ("primary", "not the primary")
    assert not found.healthy


def test_a_primary_that_was_cut_off_is_not_in_office_once_another_is() -> None:
    words = {f"sentinel_{n}": says("10.87.1.81") for n in (1, 2, 3)}
    found = status({"redis_1": "unreachable", "redis_2": primary()}, words)
    assert found.leader == "redis-2"
    assert (found.members[0].role, found.members[0].state) == ("unknown", "unreachable")
    assert not found.healthy


def test_while_the_primary_is_cut_off_and_no_other_is_elected_nobody_leads() -> None:
    found = status({"redis_1": "unreachable"})
    assert found.leader is None
    assert not found.healthy
    assert [m.lag_bytes for m in found.members] == [None, None, None]


def test_whom_the_sentinels_name_must_say_so_itself() -> None:
    assert status({"redis_1": replica()}).leader is None


@pytest.mark.parametrize(
    ("words", "leader"),
    [
        ({"sentinel_3": says("10.87.1.81")}, "redis-1"),
        ({"sentinel_2": says("10.87.1.81"), "sentinel_3": says("10.87.1.81")}, "redis-2"),
        ({"sentinel_2": says("10.87.1.81"), "sentinel_3": says("10.87.1.82")}, None),
        ({"sentinel_3": "exited"}, "redis-1"),
        # One of three is no majority, though all that answer agree.
        ({"sentinel_2": "exited", "sentinel_3": "unreachable"}, None),
    ],
)
def test_of_sentinels_that_disagree_a_majority_of_all_decides_and_it_is_not_healthy(
    words: dict[str, Any], leader: str | None
) -> None:
    found = status({"redis_2": primary()} if leader == "redis-2" else {}, words)
    assert found.leader == leader
    assert not found.healthy


def test_a_sentinel_that_names_a_stranger_names_nobody() -> None:
    found = status(words={"sentinel_1": says("10.87.1.200")})
    assert found.sentinels[0].primary is None
    assert not found.healthy


@pytest.mark.parametrize(
    ("word", "quorum", "usable"),
    [
        ("OK 3 usable Sentinels. Quorum and failover authorization can be reached", True, 3),
        ("OK 2 usable Sentinels. Quorum and failover authorization can be reached", True, 2),
        ("NOQUORUM 1 usable Sentinels. Not enough available Sentinels", False, 1),
        ("NOQUORUM", False, 0),
        ("ERR something else", False, 0),
        ("", False, 0),
    ],
)
def test_a_quorum_is_there_when_a_sentinel_says_so(word: str, quorum: bool, usable: int) -> None:
    if word == "NOQUORUM":
        word = "NOQUORUM x"
    found = status(words={"sentinel_1": says(word=word)})
    assert (found.sentinels[0].quorum, found.sentinels[0].usable) == (quorum, usable)
    assert found.healthy is (usable == 3)


def test_a_sentinel_that_counts_fewer_than_there_are_is_not_healthy() -> None:
    """A quorum is there still; with the next one it is gone."""
    found = status(words={f"sentinel_{n}": says(word="OK 2 usable Sentinels.") for n in (1, 2, 3)})
    assert all(s.quorum for s in found.sentinels)
    assert not found.healthy


def test_lag_is_what_a_replica_has_not_received_and_never_negative() -> None:
    found = status({"redis_2": replica(4000), "redis_3": replica(5001)})
    assert [m.lag_bytes for m in found.members] == [None, 1000, 0]
    assert found.healthy, "a replica in step may be some bytes behind"


@pytest.mark.parametrize(
    ("info", "state"),
    [
        (replica(link="down"), "link down"),
        (replica(link="down", master_sync_in_progress="1"), "syncing"),
        (replica(link="down", master_sync_in_progress="0"), "link down"),
    ],
)
def test_a_replica_that_is_not_in_step_says_why_and_is_not_healthy(
    info: dict[str, str], state: str
) -> None:
    found = status({"redis_3": info})
    assert found.members[2].state == state
    assert not found.healthy


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "ok"),
        ({"aof_last_write_status": "err"}, "log not written"),
        ({"aof_last_bgrewrite_status": "err"}, "log not rewritten"),
        ({"rdb_last_bgsave_status": "err"}, "snapshot failed"),
        ({"aof_enabled": "0"}, "no log"),
        (
            {"aof_enabled": "0", "aof_last_write_status": "err", "rdb_last_bgsave_status": "err"},
            "no log, log not written, snapshot failed",
        ),
    ],
)
def test_persistence_is_ok_or_all_that_fails(changes: dict[str, str], word: str) -> None:
    assert status({"redis_2": replica(**changes)}).members[1].persistence == word


def test_memory_and_the_age_of_the_last_snapshot_are_told() -> None:
    found = status({"redis_2": replica(rdb_last_save_time=str(int(NOW) + 5))})
    first, second, _ = found.members
    assert (first.memory_bytes, first.memory_limit_bytes) == (1048576, 268435456)
    assert first.last_snapshot_seconds == 90
    assert second.last_snapshot_seconds == 0, "clocks differ; the future is no age"


def test_nobody_is_no_healthy_redis() -> None:
    assert not combine({}, {}, {}, NOW).healthy


# What is read.


def test_info_is_read_line_by_line_whatever_the_line_ends() -> None:
    text = "# Replication\r\nrole:master\r\nslave0:ip=10.0.0.1,port=6379\r\n\r\n"
    assert parse_info(text + "# Memory\nused_memory:7\n") == {
        "role": "master",
        "slave0": "ip=10.0.0.1,port=6379",
        "used_memory": "7",
    }
    assert parse_info("") == {}
    assert parse_info("Could not connect") == {}


def test_answers_stand_below_the_names_of_those_who_gave_them() -> None:
    text = (
        "== redis-1\nrole:master\nused_memory:7\n== redis-2\n== sentinel-1\n10.87.1.80\n6379\nOK\n"
    )
    assert parse_answers(text) == {
        "redis-1": "role:master\nused_memory:7\n",
        "redis-2": "",
        "sentinel-1": "10.87.1.80\n6379\nOK\n",
    }
    assert parse_answers("") == {}
    assert parse_answers("sh: look: not found\n") == {}


# A running stack.


def text_of(info: dict[str, str]) -> str:
    return "# All\r\n" + "".join(f"{key}:{value}\r\n" for key, value in info.items())


def everybody(**changes: str) -> str:
    """What `look` prints; with a word of `changes` in place of a server's."""
    answers = {
        "redis-1": text_of(primary()),
        "redis-2": text_of(replica()),
        "redis-3": text_of(replica()),
        **{f"sentinel-{n}": "\n".join(says()) + "\n" for n in (1, 2, 3)},
        **{name.replace("_", "-"): text for name, text in changes.items()},
    }
    return "".join(f"== {name}\n{text}" for name, text in answers.items())


def test_one_container_asks_for_all(stack: Any, containers: dict[str, Any]) -> None:
    containers["sentinel-1"].answer = lambda command: (0, everybody())
    found = stack.redis_status()
    assert found.healthy
    (command,) = containers["sentinel-1"].asked
    assert command == [
        *("/usr/local/bin/look", "main"),
        *(f"redis-{n}=redis:10.87.1.{79 + n}:6379" for n in (1, 2, 3)),
        *(f"sentinel-{n}=sentinel:10.87.1.{95 + n}:26379" for n in (1, 2, 3)),
    ]
    assert [each.member for each in containers.values() if each.asked] == ["sentinel-1"]


def test_who_sees_nobody_is_cut_off_and_the_next_one_is_asked(
    stack: Any, containers: dict[str, Any]
) -> None:
    silence = "".join(f"== {name}\n" for name in containers)
    containers["sentinel-1"].answer = lambda command: (0, silence)
    containers["sentinel-2"].state = "paused"
    containers["sentinel-3"].gone = True
    containers["redis-1"].answer = lambda command: (0, everybody(sentinel_2="", sentinel_1=""))
    found = stack.redis_status()
    assert containers["sentinel-2"].asked == []
    assert [s.state for s in found.sentinels] == ["unreachable", "paused", "healthy"]
    assert [m.role for m in found.members] == ["primary", "replica", "replica"]


def test_a_member_without_an_answer_is_shown_with_the_reason(
    stack: Any, containers: dict[str, Any]
) -> None:
    containers["redis-2"].state = "exited"
    half = "role:slave\r\n"
    containers["sentinel-1"].answer = lambda command: (0, everybody(redis_2="", redis_3=half))
    found = stack.redis_status()
    assert [m.state for m in found.members] == ["running", "exited", "unreachable"]
    assert found.leader == "redis-1"


def test_when_nobody_can_tell_everybody_is_unreachable(
    stack: Any, containers: dict[str, Any]
) -> None:
    found = stack.redis_status()
    assert {m.state for m in found.members} == {s.state for s in found.sentinels} == {"unreachable"}
    assert found.leader is None


def test_a_stack_without_redis_has_no_members(stack: Any, containers: dict[str, Any]) -> None:
    containers.clear()
    found = stack.redis_status()
    assert (found.leader, found.members, found.sentinels) == (None, (), ())


def test_an_application_is_given_routers_sentinels_and_what_to_show(
    stack: Any, tmp_path: Path
) -> None:
    found = stack.redis_access()
    assert (found.host, found.ports) == ("127.0.0.1", (6379, 6389))
    assert found.sentinels == tuple((f"10.87.1.{n}", 26379) for n in (96, 97, 98))
    assert (found.service, found.username, found.password) == ("main", "application", "s3cret")
    folder = tmp_path / ".selfmonitor" / "local"
    assert found.ca_file == str(folder / "ca.crt")
    assert found.certificate_file == str(folder / "application.crt")
    assert found.key_file == str(folder / "application.key")


# Moved on purpose.


@pytest.fixture
def moving(stack: Any, containers: dict[str, Any]) -> Callable[..., list[list[str]]]:
    """Makes redis-1 answer a request to hand over; returns what redis-1 was asked."""
    containers["sentinel-1"].answer = lambda command: (0, everybody())

    def prepare(exit_status: int, text: str) -> list[list[str]]:
        containers["redis-1"].answer = lambda command: (exit_status, text)
        asked: list[list[str]] = containers["redis-1"].asked
        return asked

    return prepare


def test_the_primary_itself_hands_over_and_says_to_whom(
    stack: Any, moving: Callable[..., list[list[str]]]
) -> None:
    asked = moving(0, "redis-3\n")
    assert stack.redis_switchover() == "redis-3"
    assert stack.redis_switchover("redis-3") == "redis-3"
    assert asked == [
        ["timeout", "60", "/usr/local/bin/hand-over"],
        ["timeout", "60", "/usr/local/bin/hand-over", "redis-3"],
    ]


def test_those_who_watch_are_told_beforehand_that_it_is_meant(
    stack: Any, containers: dict[str, Any], moving: Callable[..., list[list[str]]]
) -> None:
    asked = moving(0, "redis-3")
    seen: list[int] = []

    def listens(command: list[str]) -> tuple[int, str]:
        seen.append(len(asked))
        return 0, ""

    containers["events-1"].answer = listens
    stack.redis_switchover()
    ((*_, flag, note, url),) = containers["events-1"].asked[-1:]
    assert url == "https://localhost:8010/notes"
    assert flag == "--data"
    assert json.loads(note) == {"service": "redis", "kind": "switchover", "old": "redis-1"}
    assert seen == [0]


@pytest.mark.parametrize(
    ("said", "told"), [("no replica is in step\n", "no replica is in step"), ("", "no answer")]
)
def test_a_handover_that_did_not_happen_is_told_with_the_reason(
    stack: Any, moving: Callable[..., list[list[str]]], said: str, told: str
) -> None:
    moving(1, said)
    with pytest.raises(OperationFailed, match=f"^Redis switchover did not happen: {told}$"):
        stack.redis_switchover()


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("redis-1", "redis-1 is the primary already"),
        ("router-1", "router-1 is no Redis member"),
        ("redis-9", "stack local has no member redis-9; there are: "),
    ],
)
def test_a_target_that_cannot_be_one_is_refused(
    stack: Any, moving: Callable[..., list[list[str]]], to: str, message: str
) -> None:
    asked = moving(0, "redis-3\n")
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        stack.redis_switchover(to)
    assert asked == []


def test_without_a_primary_there_is_nothing_to_move(stack: Any) -> None:
    with pytest.raises(OperationFailed, match="no Redis primary to move"):
        stack.redis_switchover()
