"""What the watcher of changes receives, and where it stands."""

import json
from typing import Any

from watch_events.settings import Sentinel, parse


def test_it_knows_by_address_everyone_it_watches(local: Any) -> None:
    found = parse(json.loads(local.file("events-1", "events.json")))
    assert found.sentinels == tuple(
        Sentinel(f"sentinel-{n}", f"10.87.1.{95 + n}", 26379) for n in (1, 2, 3)
    )
    assert found.redis_members == {f"10.87.1.{79 + n}": f"redis-{n}" for n in (1, 2, 3)}
    assert found.postgres_members == ("postgres-1", "postgres-2", "postgres-3")
    assert (found.service, found.listen_port, found.rest_port) == ("main", 8010, 8008)


def test_it_watches_as_many_as_the_stack_file_says(other: Any) -> None:
    found = parse(json.loads(other.file("events-1", "events.json")))
    assert (len(found.sentinels), len(found.redis_members)) == (5, 5)
    assert found.postgres_members[-1] == "postgres-5"


def test_it_comes_to_the_sentinels_with_the_password_of_its_own_user(local: Any) -> None:
    password = local.file("events-1", "events.password")
    assert password == local.values["redis-password-events"]["result"]


def test_it_finds_postgresqls_members_by_name(local: Any) -> None:
    hosts = {e["host"]: e["ip"] for e in local.named("Container", "events-1").inputs["hosts"]}
    assert {f"postgres-{n}": f"10.87.0.{31 + n}" for n in (1, 2, 3)}.items() <= hosts.items()


def test_what_it_has_seen_outlives_it_and_nobody_outside_reaches_it(local: Any) -> None:
    found = local.named("Container", "events-1").inputs
    volumes = {v["containerPath"]: v["volumeName"] for v in found["volumes"]}
    assert volumes["/var/lib/events"] == "selfmonitor-local-events-1-data"
    assert not found.get("ports")


def test_it_is_asked_whether_it_is_ready_over_verified_tls(local: Any) -> None:
    words = local.named("Container", "events-1").inputs["healthcheck"]["tests"]
    assert words[:4] == ["CMD", "/usr/local/bin/paced-probe", "12", "curl"]
    assert words[-1] == "https://localhost:8010/health"
    assert words[words.index("--cacert") + 1] == "/etc/selfmonitor/ca.crt"
    assert "--insecure" not in words
