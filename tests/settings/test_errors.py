"""Bad input: one line that names the key, what was given and what is allowed."""

from typing import Any

import pytest

from settings.errors import SettingsError
from settings.load import parse


def refusal(**values: Any) -> str:
    """The message, after the file's name; exactly one line."""
    with pytest.raises(SettingsError) as caught:
        parse(values, "Pulumi.local.yaml")
    message = str(caught.value)
    assert message.startswith("Pulumi.local.yaml: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix("Pulumi.local.yaml: ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"postgress": {}}, "postgress: unknown key; did you mean postgres?"),
        ({"bind_adress": "127.0.0.1"}, "bind_adress: unknown key; did you mean bind_address?"),
        (
            {"postgres": {"member": 3}},
            "postgres.member: unknown key; did you mean members?",
        ),
        (
            {"postgres": {"routers": {"read_write_prot": 5432}}},
            "postgres.routers.read_write_prot: unknown key; did you mean read_write_port?",
        ),
        (
            {"postgres": {"failover": {"ttl": 30}}},
            "postgres.failover.ttl: unknown key; did you mean ttl_seconds?",
        ),
        ({"reddis": {}}, "reddis: unknown key; did you mean redis?"),
        (
            {"redis": {"failover": {"down_after": 1000}}},
            "redis.failover.down_after: unknown key; did you mean down_after_ms?",
        ),
        (
            {"redis": {"snapshots": [{"seconds": 60, "change": 1}]}},
            "redis.snapshots[0].change: unknown key; did you mean changes?",
        ),
        ({"recovery": {"soruce": "copy"}}, "recovery.soruce: unknown key; did you mean source?"),
        (
            {"backup": {"schedules": {"restore-test": "0 4 * * *"}}},
            "backup.schedules.restore-test: unknown key; did you mean restore_test?",
        ),
        (
            {"backup": {"invariants": [{"name": "a", "database": "b", "query": "c"}]}},
            "backup.invariants[0].query: unknown key; known here: database, name, sql",
        ),
        (
            {"certificates": {"validity": 30}},
            "certificates.validity: unknown key; did you mean validity_days?",
        ),
        (
            {"postgres": {"databases": [{"name": "a", "owner": "b"}, {"nam": "c", "owner": "d"}]}},
            "postgres.databases[1].nam: unknown key; did you mean name?",
        ),
    ],
)
def test_a_misspelt_key_names_the_nearest_right_one(given: dict[str, Any], message: str) -> None:
    assert refusal(**given) == message


def test_a_key_like_no_other_lists_the_keys_there_are() -> None:
    message = refusal(zebra=1)
    assert message == (
        "zebra: unknown key; "
        "known here: "
        "backup, bind_address, certificates, edge, kubernetes, platform, postgres, recovery, "
        "redis, subnet"
    )


def test_a_nested_key_like_no_other_lists_the_keys_of_its_own_level() -> None:
    message = refusal(certificates={"zebra": 1})
    assert message == (
        "certificates.zebra: unknown key; "
        "known here: authority_validity_days, renew_before_days, validity_days"
    )


def test_a_misspelt_key_is_named_before_what_is_missing_because_of_it() -> None:
    assert "nmae: unknown key" in refusal(
        postgres={"databases": [{"nmae": "shop", "owner": "shop"}]}
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"postgres": {"memory_mib": "1GB"}},
            "postgres.memory_mib: expected a whole number of MiB, got '1GB'",
        ),
        (
            {"postgres": {"memory_mib": "1024"}},
            "postgres.memory_mib: expected a whole number of MiB, got '1024'",
        ),
        (
            {"postgres": {"memory_mib": 1024.5}},
            "postgres.memory_mib: expected a whole number of MiB, got 1024.5",
        ),
        (
            {"postgres": {"failover": {"ttl_seconds": "30s"}}},
            "postgres.failover.ttl_seconds: expected a whole number of seconds, got '30s'",
        ),
        (
            {"certificates": {"validity_days": "1y"}},
            "certificates.validity_days: expected a whole number of days, got '1y'",
        ),
        (
            {"redis": {"memory_mib": "512MB"}},
            "redis.memory_mib: expected a whole number of MiB, got '512MB'",
        ),
        (
            {"redis": {"failover": {"down_after_ms": "1s"}}},
            "redis.failover.down_after_ms: expected a whole number of milliseconds, got '1s'",
        ),
        ({"redis": {"quorum": "two"}}, "redis.quorum: expected a whole number, got 'two'"),
        (
            {"redis": {"snapshots": {"seconds": 60}}},
            "redis.snapshots: expected a list, got {'seconds': 60}",
        ),
        (
            {"postgres": {"members": True}},
            "postgres.members: expected a whole number, got True",
        ),
        ({"postgres": {"cpus": "two"}}, "postgres.cpus: expected a number, got 'two'"),
        ({"postgres": 3}, "postgres: expected a mapping of keys to values, got 3"),
        ({"postgres": {"databases": "shop"}}, "postgres.databases: expected a list, got 'shop'"),
        (
            {"postgres": {"databases": [{"name": 7, "owner": "shop"}]}},
            "postgres.databases[0].name: expected a text, got 7",
        ),
        (
            {"postgres": {"parameters": ["work_mem"]}},
            "postgres.parameters: expected a mapping of keys to values, got ['work_mem']",
        ),
        (
            {"bind_address": "localhost"},
            "bind_address: expected an IPv4 address such as 127.0.0.1, got 'localhost'",
        ),
        (
            {"subnet": "10.87.0.1/20"},
            "subnet: expected an IPv4 network such as 10.87.0.0/20 (no host bits set), "
            "got '10.87.0.1/20'",
        ),
    ],
)
def test_a_wrong_type_or_unit_says_what_was_expected_and_what_was_given(
    given: dict[str, Any], message: str
) -> None:
    assert refusal(**given) == message


def test_a_value_of_no_type_a_parameter_has_is_named_by_its_key_alone() -> None:
    message = refusal(postgres={"parameters": {"work_mem": ["4MB"]}})
    assert message.startswith("postgres.parameters.work_mem: ")
    assert "['4MB']" in message


def test_a_parameter_name_postgresql_could_not_have_is_refused() -> None:
    message = refusal(postgres={"parameters": {"work mem": 4}})
    assert message.startswith("postgres.parameters")
    assert "work mem" in message


def test_an_unknown_platform_names_those_there_are() -> None:
    assert refusal(platform="dockr") == "platform: must be 'docker' or 'kubernetes', got 'dockr'"


@pytest.mark.parametrize("key", ["members", "consensus_members"])
@pytest.mark.parametrize("count", [4, 6])
def test_an_even_member_count_is_refused_with_the_reason(key: str, count: int) -> None:
    assert refusal(postgres={key: count}) == (
        f"postgres.{key}: must be odd (3, 5 or 7): "
        f"{count} survives no more failures than {count - 1}"
    )


@pytest.mark.parametrize("key", ["members", "consensus_members"])
@pytest.mark.parametrize(
    ("count", "bound"), [(-1, "greater than or equal to 3"), (1, "3"), (2, "3"), (9, "7")]
)
def test_too_few_or_too_many_members_name_the_bound(key: str, count: int, bound: str) -> None:
    message = refusal(postgres={key: count})
    assert message.startswith(f"postgres.{key}: must be ")
    assert bound in message
    assert message.endswith(f"got {count}")


@pytest.mark.parametrize("subnet", ["8.8.0.0/16", "100.64.0.0/16", "224.0.0.0/16"])
def test_a_subnet_that_is_not_private_is_refused(subnet: str) -> None:
    assert refusal(subnet=subnet) == (
        f"subnet: {subnet} is not a private network (10/8, 172.16/12 or 192.168/16)"
    )


@pytest.mark.parametrize("subnet", ["127.0.0.0/16", "169.254.0.0/16", "0.0.0.0/8", "240.0.0.0/8"])
def test_a_subnet_no_container_can_have_is_refused_although_it_is_not_public(subnet: str) -> None:
    assert "is not a private network" in refusal(subnet=subnet)


@pytest.mark.parametrize("subnet", ["10.0.0.0/21", "192.168.7.0/24"])
def test_a_subnet_too_small_for_the_segments_is_refused(subnet: str) -> None:
    assert refusal(subnet=subnet) == (
        f"subnet: {subnet} is too small: the segments need a /20 or larger"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"databases": [{"name": "shop"}]},
            "postgres.databases[0].owner: is required and was not given",
        ),
        (
            {"databases": []},
            "postgres.databases: ",
        ),
        (
            {"databases": [{"name": "template1", "owner": "shop"}]},
            "postgres.databases[0].name: template1 belongs to the cluster: choose another name",
        ),
        (
            {"databases": [{"name": "selfmonitor", "owner": "shop"}]},
            "postgres.databases[0].name: selfmonitor belongs to the cluster: choose another name",
        ),
        (
            {"databases": [{"name": "shop", "owner": "backup"}]},
            "postgres.databases[0].owner: backup is a role of the cluster itself: "
            "choose another name",
        ),
        (
            {"databases": [{"name": "shop", "owner": "postgres"}]},
            "postgres.databases[0].owner: postgres is a role of the cluster itself: "
            "choose another name",
        ),
        (
            {"databases": [{"name": "shop", "owner": "pg_monitor"}]},
            "postgres.databases[0].owner: pg_monitor is a role of the cluster itself: "
            "choose another name",
        ),
        (
            {"databases": [{"name": "shop", "owner": "a"}, {"name": "shop", "owner": "b"}]},
            "postgres: database shop is given twice",
        ),
        (
            {"databases": [{"name": "s" * 64, "owner": "shop"}]},
            "postgres.databases[0].name: ",
        ),
        (
            {"parameters": {"fsync": "off"}},
            "postgres.parameters: fsync is set by the platform and cannot be given here",
        ),
        (
            {"memory_mib": 512, "shared_buffers_mib": 257},
            "postgres: shared_buffers_mib (257) is more than half of memory_mib (512): "
            "connections and Patroni need the rest",
        ),
        (
            {"failover": {"ttl_seconds": 20, "loop_wait_seconds": 10, "retry_timeout_seconds": 10}},
            "postgres.failover: loop_wait_seconds + 2 * retry_timeout_seconds is 30, more than "
            "ttl_seconds (20): a slow consensus store would cost a failover",
        ),
        (
            {"routers": {"read_write_port": 5432, "read_only_port": 5442}},
            "postgres.routers: two routers would share port 5442: change the ports or port_step",
        ),
        (
            {"routers": {"read_write_port": 5432, "read_only_port": 5432}},
            "postgres.routers: two routers would share port 5432: change the ports or port_step",
        ),
        (
            {"routers": {"read_only_port": 65530}},
            "postgres.routers: the last router's port would be 65540: the highest is 65535",
        ),
        (
            {"routers": {"read_write_port": 70000}},
            "postgres.routers.read_write_port: must be less than or equal to 65535, got 70000",
        ),
    ],
)
def test_what_could_not_work_is_refused_with_the_reason(
    given: dict[str, Any], message: str
) -> None:
    found = refusal(postgres=given)
    assert found == message or (message.endswith(": ") and found.startswith(message))


def test_a_long_value_is_cut_short_in_the_error() -> None:
    message = refusal(bind_address="x" * 500)
    assert message.endswith("...")
    assert len(message) < 150


def test_a_value_with_line_breaks_still_makes_one_line() -> None:
    assert "'a\\nb'" in refusal(bind_address="a\nb")


def test_a_key_with_a_line_break_still_makes_one_line() -> None:
    assert "unknown key" in refusal(postgres={"a\nb": 1})
