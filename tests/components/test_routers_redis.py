"""The way to the Redis primary through the routers, and who counts as one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def sections(recording: Any) -> dict[str, list[str]]:
    """haproxy-redis.cfg: {a section's first line: the others, stripped}."""
    lines = recording.file("router-1", "haproxy-redis.cfg").splitlines()
    found: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line.startswith(" "):
            current = line
            found[current] = []
        else:
            found[current].append(line.strip())
    return found


def test_the_redis_port_is_published_on_each_router_and_nothing_else_is_new(local: Any) -> None:
    published = {
        each.name: {int(p["internal"]): int(p["external"]) for p in each.inputs["ports"]}
        for each in local.servers
        if each.inputs.get("ports")
    }
    assert published == {
        "router-1": {5432: 5432, 5433: 5433, 6379: 6379},
        "router-2": {5432: 5442, 5433: 5443, 6379: 6389},
        "side-1": {5432: 5440},
    }


def test_the_port_is_the_stack_files_and_follows_the_routers_step(other: Any) -> None:
    ports = [
        int(port["external"])
        for n in (1, 2, 3)
        for port in other.named("Container", f"router-{n}").inputs["ports"]
        if port["internal"] == 6379
    ]
    assert ports == [7000, 7100, 7200]
    ends = other.outputs["redis_endpoints"]["read_write"]
    assert [each["port"] for each in ends] == ports


def test_the_router_listens_for_redis_over_tls_only(local: Any) -> None:
    binds = [
        line for lines in sections(local).values() for line in lines if line.startswith("bind ")
    ]
    assert binds == ["bind :6379 ssl crt /etc/selfmonitor/tls.pem ssl-min-ver TLSv1.2"]


@pytest.mark.parametrize("backend", ["redis-primary", "redis-alone"])
@pytest.mark.parametrize(("recording", "net", "count"), [("local", 87, 3), ("other", 99, 5)])
def test_each_backend_has_every_member_at_its_address_verified_by_name(
    request: pytest.FixtureRequest, backend: str, recording: str, net: int, count: int
) -> None:
    servers = [
        " ".join(line.split()[:5])
        for line in sections(request.getfixturevalue(recording))[f"backend {backend}"]
        if line.startswith("server ")
    ]
    assert servers == [
        f"server redis-{n} 10.{net}.1.{79 + n}:6379 verifyhost redis-{n}"
        for n in range(1, count + 1)
    ]


def default_server(recording: Any) -> list[str]:
    (line,) = [
        line for line in sections(recording)["defaults redis"] if line.startswith("default-server")
    ]
    return line.split()


def test_members_are_reached_and_asked_over_verified_tls_with_a_certificate(local: Any) -> None:
    words = default_server(local)
    assert {"ssl", "check"} <= {*words}
    for option, value in (
        ("verify", "required"),
        ("ca-file", "/etc/selfmonitor/ca.crt"),
        ("crt", "/etc/selfmonitor/tls.pem"),
    ):
        assert words[words.index(option) + 1] == value


def test_connections_to_a_member_that_lost_its_role_are_cut(local: Any) -> None:
    words = default_server(local)
    assert words[words.index("on-marked-down") + 1] == "shutdown-sessions"
    assert words[words.index("on-error") + 1] == "mark-down"


def test_no_connection_is_tried_twice_or_moved_to_another_member(local: Any) -> None:
    """A write that may have arrived must not arrive again."""
    assert "retries 0" in sections(local)["defaults redis"]
    assert not [
        line for lines in sections(local).values() for line in lines if "redispatch" in line
    ]


def test_the_check_logs_in_as_the_router_and_looks_at_replication(local: Any) -> None:
    password = local.values["redis-password-router"]["result"]
    for backend in ("redis-primary", "redis-alone"):
        checks = [
            line.removeprefix("tcp-check ")
            for line in sections(local)[f"backend {backend}"]
            if line.startswith("tcp-check")
        ]
        assert checks[:4] == [
            "connect ssl",
            f'send "AUTH router {password}\\r\\n"',
            "expect string +OK",
            'send "INFO replication\\r\\n"',
        ]
        assert checks[4].startswith("expect min-recv ")


def expected(recording: Any, backend: str) -> re.Pattern[str]:
    (text,) = [line for line in sections(recording)[f"backend {backend}"] if "rstring" in line]
    (found,) = re.findall(r'^tcp-check expect min-recv \d+ rstring "(.*)"$', text)
    return re.compile(found)


def info(role: str, good: int | None, link: str = "up") -> str:
    """INFO replication as Redis words it."""
    lines = ["# Replication", f"role:{role}"]
    if role == "slave":
        lines += ["master_host:10.87.1.80", f"master_link_status:{link}"]
    lines += ["connected_slaves:2"]
    if good is not None:
        lines += [f"min_slaves_good_slaves:{good}"]
    lines += [
        "slave0:ip=10.87.1.81,port=6379,state=online,offset=1,lag=1",
        "master_failover_state:no-failover",
    ]
    return "$999\r\n" + "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("said", "primary", "alone"),
    [
        (info("master", 2), True, True),
        (info("master", 1), True, True),
        (info("master", 12), True, True),
        # It would refuse every write.
        (info("master", 0), False, True),
        (info("master", None), False, True),
        (info("slave", 2), False, False),
        (info("slave", None), False, False),
        (info("slave", None, "down"), False, False),
        ("-LOADING Redis is loading the dataset in memory\r\n", False, False),
        ("-NOAUTH Authentication required.\r\n", False, False),
        ("", False, False),
    ],
)
def test_the_primary_is_who_says_so_and_has_a_good_replica(
    local: Any, said: str, primary: bool, alone: bool
) -> None:
    assert bool(expected(local, "redis-primary").search(said)) is primary
    assert bool(expected(local, "redis-alone").search(said)) is alone


def test_a_primary_without_a_replica_is_for_when_there_is_no_other(local: Any) -> None:
    lines = sections(local)["frontend redis"]
    assert "default_backend redis-primary" in lines
    assert "use_backend redis-alone if { nbsrv(redis-primary) eq 0 }" in lines


def test_as_many_clients_come_in_as_the_stack_file_says(other: Any) -> None:
    assert "maxconn 77" in sections(other)["frontend redis"]


def test_haproxy_reads_both_parts_of_its_configuration(local: Any) -> None:
    """The one with the password in it is a secret file of its own."""
    processes = json.loads((ROOT / "images" / "router" / "processes.json").read_text())
    (command,) = [each["command"] for each in processes["processes"] if each["name"] == "haproxy"]
    files = [command[i + 1] for i, word in enumerate(command) if word == "-f"]
    uploads = local.named("Container", "router-2-files").inputs["uploads"]
    delivered = {each["file"].rpartition("/")[2] for each in uploads}
    assert files == ["/etc/selfmonitor/haproxy.cfg", "/etc/selfmonitor/haproxy-redis.cfg"]
    assert {"haproxy.cfg", "haproxy-redis.cfg"} <= delivered
