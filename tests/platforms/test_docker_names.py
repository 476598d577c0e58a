"""Names and addresses: fixed, and nobody's twice."""

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest

from platforms.docker_names import (
    HIGHEST_ORDINAL,
    duration,
    duration_seconds,
    member_address,
    object_name,
    segment_network,
)
from platforms.workload import Peer, Segment

SUBNET = IPv4Network("10.87.0.0/20")


def peer(ordinal: int, replicas: int = 3) -> Peer:
    return Peer("thing", ordinal, replicas, (Segment.DATA,))


def test_segments_keep_their_places_in_a_stacks_subnet() -> None:
    """A running stack's addresses depend on it: new segments go to the end."""
    assert {s.value: str(segment_network(SUBNET, s)) for s in list(Segment)[:5]} == {
        "data": "10.87.0.0/24",
        "cache": "10.87.1.0/24",
        "backup": "10.87.2.0/24",
        "monitoring": "10.87.3.0/24",
        "access": "10.87.4.0/24",
    }


def test_segments_are_disjoint_and_fit_the_smallest_subnet_allowed() -> None:
    networks = [segment_network(SUBNET, segment) for segment in Segment]
    assert all(network.subnet_of(SUBNET) for network in networks)
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_a_members_address_follows_from_its_ordinal_and_number() -> None:
    assert member_address(SUBNET, Segment.DATA, peer(2), 0) == IPv4Address("10.87.0.32")
    assert member_address(SUBNET, Segment.ACCESS, peer(15), 14) == IPv4Address("10.87.4.254")


def test_no_two_members_share_an_address_and_none_has_one_of_the_networks_own() -> None:
    """Seven replicas are the most a stack file allows."""
    found = [
        member_address(SUBNET, Segment.DATA, peer(ordinal), index)
        for ordinal in range(1, HIGHEST_ORDINAL + 1)
        for index in range(7)
    ]
    network = segment_network(SUBNET, Segment.DATA)
    assert len(found) == len(set(found)) == HIGHEST_ORDINAL * 7
    assert not {network[0], network[1], network.broadcast_address} & set(found)


@pytest.mark.parametrize("ordinal", [-1, 0, HIGHEST_ORDINAL + 1])
def test_an_ordinal_without_addresses_is_refused(ordinal: int) -> None:
    with pytest.raises(ValueError, match=f"thing: ordinal {ordinal} is not 1–15"):
        member_address(SUBNET, Segment.DATA, peer(ordinal), 0)


def test_a_replica_beyond_its_workloads_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 replicas"):
        member_address(SUBNET, Segment.DATA, peer(1, 17), 16)


def test_objects_are_named_after_project_and_stack() -> None:
    assert object_name("local", "postgres-1") == "selfmonitor-local-postgres-1"


def test_members_are_numbered_from_one() -> None:
    assert peer(1).members == ("thing-1", "thing-2", "thing-3")


def test_only_the_access_segment_is_open_to_clients() -> None:
    assert [segment.value for segment in Segment if segment.open_to_clients] == ["access"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (3, "3s"), (60, "1m0s"), (125, "2m5s"), (3600, "1h0m0s")]
)
def test_durations_are_written_as_go_writes_them_and_read_back(seconds: int, text: str) -> None:
    assert duration(seconds) == text
    assert duration_seconds(text) == seconds
