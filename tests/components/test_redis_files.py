"""What a Redis member and a Sentinel receive, for the settings of a stack file."""

import json
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509

MEMBERS = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
SERVERS = (*MEMBERS, *SENTINELS)


def directives(text: str) -> dict[str, list[str]]:
    """Of a configuration file: {word: what follows, once for each time it stands there}."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(rest)
    return found


def redis_conf(recording: Any) -> dict[str, list[str]]:
    return directives(recording.file("redis-1", "redis.conf"))


def sentinel_conf(recording: Any) -> dict[str, list[str]]:
    return directives(recording.file("sentinel-1", "sentinel.conf"))


# redis.conf


def test_nothing_listens_without_tls_and_nobody_comes_without_a_certificate(local: Any) -> None:
    for found, port in ((redis_conf(local), "6379"), (sentinel_conf(local), "26379")):
        assert found["port"] == ["0"]
        assert found["tls-port"] == [port]
        assert found["tls-auth-clients"] == ["yes"]
        assert found["tls-replication"] == ["yes"], "towards the primary and among Sentinels too"
        assert found["tls-protocols"] == ['"TLSv1.2 TLSv1.3"']
        assert found["tls-cert-file"] == ["/etc/selfmonitor/tls.crt"]
        assert found["tls-key-file"] == ["/etc/selfmonitor/tls.key"]
        assert found["tls-ca-cert-file"] == ["/etc/selfmonitor/ca.crt"]
        assert found["aclfile"] == ["/etc/selfmonitor/users.acl"]


def test_what_could_reach_beyond_the_data_is_switched_off(local: Any) -> None:
    found = redis_conf(local)
    for word in ("enable-protected-configs", "enable-debug-command", "enable-module-command"):
        assert found[word] == ["no"], word
    assert sentinel_conf(local)["sentinel"][0] == "deny-scripts-reconfig yes"


def test_every_write_is_logged_and_the_log_flushed_once_a_second(local: Any) -> None:
    found = redis_conf(local)
    assert found["appendonly"] == ["yes"]
    assert found["appendfsync"] == ["everysec"]
    assert found["dir"] == ["/var/lib/redis"]
    volumes = local.named("Container", "redis-1").inputs["volumes"]
    assert ("/var/lib/redis", "selfmonitor-local-redis-1-data") in [
        (each["containerPath"], each["volumeName"]) for each in volumes
    ]


def test_snapshots_are_those_of_the_stack_file_each_on_its_line(local: Any, other: Any) -> None:
    assert redis_conf(local)["save"] == ["3600 1", "300 100", "60 10000"]
    assert redis_conf(other)["save"] == ["900 5", "10 7"]


def test_memory_and_what_happens_when_it_is_full_come_from_the_stack_file(
    local: Any, other: Any
) -> None:
    assert redis_conf(local)["maxmemory"] == ["256mb"]
    assert redis_conf(local)["maxmemory-policy"] == ["noeviction"]
    assert redis_conf(other)["maxmemory"] == ["700mb"]
    assert redis_conf(other)["maxmemory-policy"] == ["allkeys-lfu"]
    container = other.named("Container", "redis-3").inputs
    assert (container["memory"], container["cpus"]) == (1000, "2.5")


def test_a_primary_that_is_cut_off_falls_silent_in_time(local: Any, other: Any) -> None:
    """Redis is told two seconds less than is promised."""
    for recording, told in ((local, "2"), (other, "8")):
        found = redis_conf(recording)
        assert found["min-replicas-to-write"] == ["1"]
        assert found["min-replicas-max-lag"] == [told]
        # It is by their answers, one a second, that the primary knows how far replicas are.
        assert found["repl-ping-replica-period"] == ["1"]


def test_no_member_may_be_promoted_before_it_has_proved_itself(local: Any) -> None:
    assert redis_conf(local)["replica-priority"] == ["0"]
    assert redis_conf(local)["replica-read-only"] == ["yes"]


def test_who_is_primary_stands_in_no_file_that_is_delivered(local: Any) -> None:
    """After the first failover it would be wrong."""
    for upload in local.named("Container", "redis-2-files").inputs["uploads"]:
        words = {line.split(" ", 1)[0] for line in upload["content"].splitlines()}
        assert not words & {"replicaof", "slaveof"}, upload["file"]
    assert not [
        line for line in sentinel_conf(local)["sentinel"] if line.startswith(("monitor", "myid"))
    ]


def test_a_member_takes_the_connections_of_all_routers_and_the_stacks_own(other: Any) -> None:
    assert redis_conf(other)["maxclients"] == [str(3 * 77 + 100)]


def test_no_directive_but_save_is_given_twice(local: Any) -> None:
    """The last one would win, and the first one lie."""
    for found in (redis_conf(local), sentinel_conf(local)):
        assert [w for w, v in found.items() if len(v) > 1 and w not in ("save", "sentinel")] == []


# sentinel.conf


def test_times_of_a_failover_come_from_the_stack_file(local: Any, other: Any) -> None:
    def times(recording: Any) -> list[str]:
        return [
            line
            for line in sentinel_conf(recording)["sentinel"]
            if line.startswith(("down-after", "failover-timeout"))
        ]

    assert times(local) == ["down-after-milliseconds main 1000", "failover-timeout main 4000"]
    assert times(other) == ["down-after-milliseconds main 700", "failover-timeout main 9000"]


def test_sentinels_resolve_no_names(local: Any) -> None:
    lines = sentinel_conf(local)["sentinel"]
    assert "resolve-hostnames no" in lines
    assert "announce-hostnames no" in lines


# group.json


def test_everyone_knows_all_members_and_sentinels_by_address(local: Any) -> None:
    for server in SERVERS:
        assert json.loads(local.file(server, "group.json")) == {
            "service": "main",
            "port": 6379,
            "sentinel_port": 26379,
            "quorum": 2,
            "members": {f"redis-{n}": f"10.87.1.{79 + n}" for n in (1, 2, 3)},
            "sentinels": {f"sentinel-{n}": f"10.87.1.{95 + n}" for n in (1, 2, 3)},
        }


def test_the_addresses_in_it_are_those_the_containers_have(other: Any) -> None:
    group = json.loads(other.file("sentinel-5", "group.json"))
    assert group["quorum"] == 4
    known = {**group["members"], **group["sentinels"]}
    assert len(known) == 10
    for name, address in known.items():
        networks = other.named("Container", name).inputs["networksAdvanced"]
        assert [each["ipv4Address"] for each in networks] == [address]
        assert address.startswith("10.99.")


def test_each_program_learns_who_it_is_and_nothing_else_from_its_environment(local: Any) -> None:
    for server in SERVERS:
        assert local.named("Container", server).inputs["envs"] == [f"MEMBER={server}"]


# Secrets


def test_a_member_logs_in_to_its_primary_as_the_replication_user(local: Any) -> None:
    password = local.values["redis-password-replication"]["result"]
    assert local.file("redis-2", "secrets.conf") == (
        f"masteruser replication\nmasterauth {password}\n"
    )


def test_a_sentinel_logs_in_to_members_and_to_its_peers(local: Any) -> None:
    password = local.values["redis-password-sentinel"]["result"]
    assert local.file("sentinel-2", "secrets.conf").splitlines() == [
        "sentinel auth-user main sentinel",
        f"sentinel auth-pass main {password}",
        "sentinel sentinel-user sentinel",
        f"sentinel sentinel-pass {password}",
    ]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("redis-3", {"secrets.conf": {"replication"}, "keeper.password": {"keeper"}}),
        ("sentinel-3", {"secrets.conf": {"sentinel"}, "keeper.password": {"keeper"}}),
        ("events-1", {"events.password": {"events"}}),
    ],
)
def test_a_server_has_the_passwords_it_uses_and_no_other(
    local: Any, server: str, expected: dict[str, set[str]]
) -> None:
    found: dict[str, set[str]] = {}
    for upload in local.named("Container", f"{server}-files").inputs["uploads"]:
        for name, made in local.values.items():
            if "result" in made and made["result"] in upload["content"]:
                file = upload["file"].rpartition("/")[2]
                found.setdefault(file, set()).add(name.removeprefix("redis-password-"))
    assert found == expected


# Certificates


def certificate(recording: Any, server: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(recording.file(server, "tls.crt").encode())


def alternative_names(found: x509.Certificate) -> tuple[set[str], set[Any]]:
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(names.get_values_for_type(x509.DNSName)),
        set(names.get_values_for_type(x509.IPAddress)),
    )


@pytest.mark.parametrize(("name", "first"), [("redis", 80), ("sentinel", 96)])
def test_a_certificate_bears_the_addresses_by_which_members_are_announced(
    local: Any, name: str, first: int
) -> None:
    names, addresses = alternative_names(certificate(local, f"{name}-1"))
    assert names == {f"{name}-{n}" for n in (1, 2, 3)} | {name, "localhost"}
    assert addresses == {
        ip_address("127.0.0.1"),
        *(ip_address(f"10.87.1.{first + n}") for n in (0, 1, 2)),
    }


def test_more_members_have_more_addresses_in_it(other: Any) -> None:
    _, addresses = alternative_names(certificate(other, "redis-1"))
    assert ip_address("10.99.1.84") in addresses


def test_what_an_application_shows_bears_its_name_and_no_servers(local: Any) -> None:
    text = local.outputs["application_certificate"]
    names, addresses = alternative_names(x509.load_pem_x509_certificate(text.encode()))
    assert (names, addresses) == ({"application"}, set())


# Containers


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("redis", ["/usr/local/bin/ready", "redis", "6379"]),
        ("sentinel", ["/usr/local/bin/ready", "sentinel", "26379"]),
    ],
)
def test_each_is_asked_whether_it_is_ready(local: Any, name: str, command: list[str]) -> None:
    for number in (1, 2, 3):
        found = local.named("Container", f"{name}-{number}").inputs
        paced = ["CMD", "/usr/local/bin/paced-probe", "12"]
        assert found["healthcheck"]["tests"] == [*paced, *command]


def test_one_image_serves_both_and_the_command_says_which(local: Any) -> None:
    inputs = [local.named("Container", name).inputs for name in ("redis-1", "sentinel-1")]
    assert inputs[0]["image"] == inputs[1]["image"]
    assert not inputs[0].get("command")
    assert inputs[1]["command"] == [
        "/usr/local/bin/supervise",
        "/usr/local/share/selfmonitor/sentinel.json",
    ]


def test_what_holds_secrets_while_it_runs_is_memory_of_its_own(local: Any) -> None:
    scratch = local.named("Container", "redis-1").inputs["tmpfs"]
    assert scratch.keys() == {"/tmp", "/run/redis"}
    assert all("mode=0700" in options.split(",") for options in scratch.values())


def test_a_member_has_time_to_hand_over_and_to_save(local: Any) -> None:
    assert local.named("Container", "redis-1").inputs["stopTimeout"] == 60


def test_numbers_of_members_and_sentinels_come_from_the_stack_file(other: Any) -> None:
    names = {each.name for each in other.servers}
    assert {name for name in names if name.startswith(("redis", "sentinel"))} == {
        *(f"redis-{n}" for n in range(1, 6)),
        *(f"sentinel-{n}" for n in range(1, 6)),
    }
    assert [e["host"] for e in other.outputs["redis_sentinels"]] == [
        f"10.99.1.{n}" for n in range(96, 101)
    ]
