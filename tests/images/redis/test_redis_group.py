"""group.py: whom a program believes about who is primary."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis


def test_whom_all_sentinels_name_is_the_primary(group: Callable[[str], Any]) -> None:
    assert group("redis-2").primary_by_sentinels() == "redis-1"


def test_two_of_three_sentinels_are_believed(world: Any, group: Callable[[str], Any]) -> None:
    world.servers["sentinel-1"].silent = True
    world.everybody_names("redis-3")
    assert group("redis-2").primary_by_sentinels() == "redis-3"


@pytest.mark.parametrize(
    ("names", "primary"),
    [
        # Of all there are, not of those that answer: an old view survives in a minority.
        (["redis-1", "redis-1", "silent", "silent", "silent"], None),
        (["redis-1", "redis-1", "redis-1", "silent", "silent"], "redis-1"),
        (["redis-1", "redis-1", "redis-2", "redis-2", "redis-2"], "redis-2"),
        (["redis-1", "redis-1", "redis-2", "redis-2", "silent"], None),
        (["redis-1", "redis-1", "redis-2", "redis-2", None], None),
        (["10.87.1.200", "10.87.1.200", "10.87.1.200", "redis-2", "redis-2"], None),
        (["silent"] * 5, None),
    ],
)
def test_a_majority_is_one_of_all_sentinels(
    programs: Any, larger_world: Callable[[int], Any], names: list[str | None], primary: str | None
) -> None:
    world = larger_world(5)
    for server, name in zip(world.sentinels, names, strict=True):
        server.silent, server.names = name == "silent", name
    found = programs.group.Group(world.configuration(), "redis-1", world.connect("redis-1"))
    assert found.primary_by_sentinels() == primary


def test_a_member_is_known_by_its_address_and_a_stranger_is_not(
    group: Callable[[str], Any],
) -> None:
    found = group("redis-1")
    assert found.name_of("10.87.1.82") == "redis-3"
    assert found.name_of("10.87.1.96") is None, "a Sentinel is no member"
    assert found.name_of("10.87.1.8") is None


@pytest.mark.parametrize(
    ("name", "address"), [("redis-2", "10.87.1.81"), ("sentinel-3", "10.87.1.98")]
)
def test_each_knows_its_own_address(group: Callable[[str], Any], name: str, address: str) -> None:
    assert group(name).address == address


def test_a_server_reaches_itself_where_no_cut_takes_that_away(world: Any, programs: Any) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: str, port: int) -> None:
        asked.append((address, port))

    for me in ("redis-1", "sentinel-1"):
        found = programs.group.Group(world.configuration(), me, connect)
        found.member("redis-1")
        found.sentinel("sentinel-1")
    assert asked == [
        ("127.0.0.1", 6379),
        ("10.87.1.96", 26379),
        ("10.87.1.80", 6379),
        ("127.0.0.1", 26379),
    ]


def test_who_does_not_answer_is_left_out(world: Any, group: Callable[[str], Any]) -> None:
    world.servers["redis-3"].silent = True
    found = group("redis-1").replication()
    assert found.keys() == {"redis-1", "redis-2"}
    assert found["redis-2"]["master_host"] == "10.87.1.80"
    assert group("redis-1").replication(["redis-2"]).keys() == {"redis-2"}


def test_the_members_themselves_name_a_primary_only_if_it_has_a_replica(
    world: Any, group: Callable[[str], Any]
) -> None:
    assert group("sentinel-1").primary_by_members() == "redis-1"
    for name in ("redis-2", "redis-3"):
        world.servers[name].link = False
    assert group("sentinel-1").primary_by_members() is None


@pytest.mark.parametrize(
    ("changes", "heir"),
    [
        ({}, True),
        ({"master_link_status": "down"}, True),
        ({"slave_priority": 10}, True),
        ({"slave_priority": 0}, False),
        ({"master_host": "10.87.1.82"}, False),
        ({"role": "master"}, False),
    ],
)
def test_an_heir_follows_this_member_and_may_be_promoted(
    group: Callable[[str], Any], changes: dict[str, Any], heir: bool
) -> None:
    own = group("redis-1")
    said = own.replication()["redis-2"]
    assert own.is_heir({**said, **changes}) is heir


def test_a_replica_may_be_promoted_for_as_long_as_the_most_patient_sentinel_allows(
    world: Any, group: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.down_after_ms = 1500
    assert group("redis-1").promotable_after() == 15.0
    states = {"sentinel-2": {"down-after-milliseconds": 1500, "s-down-time": 4200}}
    before = world.answer

    def answer(server: Any, words: list[str]) -> Any:
        found = before(server, words)
        return states.get(server.name, found) if words[1] == "MASTER" else found

    monkeypatch.setattr(world, "answer", answer)
    assert group("redis-1").promotable_after() == pytest.approx(19.2)


def test_where_no_sentinel_answers_a_replica_may_be_promoted_at_any_time(
    world: Any, group: Callable[[str], Any]
) -> None:
    for each in world.sentinels:
        each.silent = True
    assert group("redis-1").promotable_after() == float("inf")


def test_a_client_verifies_the_other_end_and_shows_who_it_is(
    programs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(programs.group, "DIRECTORY", str(tmp_path))
    (tmp_path / "keeper.password").write_text("open sesame")
    client = programs.group.connect("10.87.1.80", 6379)
    assert isinstance(client, redis.Redis)
    made = client.connection_pool.connection_kwargs
    assert client.connection_pool.connection_class is redis.SSLConnection
    assert (made["host"], made["port"]) == ("10.87.1.80", 6379)
    assert (made["username"], made["password"]) == ("keeper", "open sesame")
    assert made["ssl_ca_certs"] == f"{tmp_path}/ca.crt"
    assert made["ssl_certfile"] == f"{tmp_path}/tls.crt"
    assert made["ssl_keyfile"] == f"{tmp_path}/tls.key"
    assert made["ssl_check_hostname"] is True
    assert made.get("ssl_cert_reqs", "required") == "required"
    assert made["socket_timeout"] == made["socket_connect_timeout"] == 1.0
    assert made["retry"].get_retries() == 0, "who does not answer is asked again by whoever asks"


def test_it_reads_who_is_there_and_who_it_is_itself(
    programs: Any, world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(programs.group, "DIRECTORY", str(tmp_path))
    monkeypatch.setenv("MEMBER", "redis-3")
    (tmp_path / "group.json").write_text(json.dumps(world.configuration()))
    found = programs.group.Group.load()
    assert (found.name, found.quorum, found.service) == ("redis-3", 2, "main")
    assert found.others() == ["redis-1", "redis-2"]


def test_waiting_ends_with_the_first_true_value_or_when_the_time_is_up(
    programs: Any, time: Any
) -> None:
    values = iter([None, "", "there", "later"])
    assert programs.group.wait_until(lambda: next(values), 1.0, pause=0.25) == "there"
    begun = time.seconds
    assert programs.group.wait_until(lambda: [], 1.0, pause=0.25) == []
    assert time.seconds - begun == pytest.approx(1.0)
