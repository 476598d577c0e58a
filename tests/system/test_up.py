"""Bringing a stack up, again and again, and finding in it what the stack file says."""

import datetime
import json
from itertools import pairwise

import yaml

MIB = 1024 * 1024
REDIS_MEMBERS = ("redis-1", "redis-2", "redis-3")


def containers_as_they_are(stack):
    return {name: each.attrs["State"]["StartedAt"] for name, each in stack.containers().items()}


def test_a_second_up_changes_nothing(stack):
    before = containers_as_they_are(stack)
    done = stack.run("up")
    assert done.returncode == 0, done.stderr
    assert "nothing to change" in done.stdout
    assert containers_as_they_are(stack) == before


def test_preview_of_a_stack_that_is_up_is_all_unchanged(stack):
    plan = json.loads(stack.ok("preview", "-o", "json"))
    assert plan["summary"]["unchanged"] == len(plan["steps"])
    assert len(plan["steps"]) > 30


def test_status_tells_leader_members_and_endpoints_without_a_password(stack):
    assert stack.becomes_healthy()
    text = stack.ok("status", "-o", "json")
    found = json.loads(text)
    assert found["stack"] == "systest"
    assert found["healthy"] is True
    members = {each["name"]: each for each in found["postgres"]["members"]}
    assert set(members) == {"postgres-1", "postgres-2", "postgres-3"}
    leader = members.pop(found["postgres"]["leader"])
    assert leader["role"] == "primary"
    for standby in members.values():
        assert standby["role"] == "standby"
        assert standby["state"] == "streaming"
        assert standby["timeline"] == leader["timeline"]
        assert standby["lag_bytes"] >= 0
        assert standby["synchronous"] is True
    assert found["endpoints"] == {
        "read_write": ["127.0.0.1:25432", "127.0.0.1:25442"],
        "read_only": ["127.0.0.1:25433", "127.0.0.1:25443"],
        "redis": ["127.0.0.1:25379", "127.0.0.1:25389"],
    }
    assert not any(secret in text for secret in stack.secrets())


def test_status_tells_the_redis_primary_its_replicas_and_what_the_sentinels_think(stack):
    assert stack.becomes_healthy()
    found = stack.status()["redis"]
    members = {each["name"]: each for each in found["members"]}
    assert set(members) == set(REDIS_MEMBERS)
    for member in members.values():
        assert 0 < member["memory_bytes"] < member["memory_limit_bytes"] == 256 * MIB
        assert member["persistence"] == "ok"
    leader = members.pop(found["leader"])
    assert (leader["role"], leader["state"]) == ("primary", "running")
    for replica in members.values():
        assert (replica["role"], replica["state"]) == ("replica", "in step")
        assert replica["lag_bytes"] >= 0
    assert {each["name"] for each in found["sentinels"]} == {f"sentinel-{n}" for n in (1, 2, 3)}
    for sentinel in found["sentinels"]:
        assert sentinel["primary"] == leader["name"]
        assert (sentinel["quorum"], sentinel["usable"]) == (True, 3)


def test_both_routers_lead_to_the_primary_and_both_read_only_ports_to_standbys(stack):
    for port in ("25432", "25442"):
        with stack.connect(port=port) as connection:
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    for port in ("25433", "25443"):
        with stack.connect(port=port) as connection:
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_databases_and_owners_are_those_of_the_stack_file(stack):
    passwords = stack.outputs()["postgres_passwords"]
    assert set(passwords) == {"user", "accounts"}
    with stack.connect(
        dbname="ledger", user="accounts", password=passwords["accounts"]
    ) as connection:
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'ledger'"
        assert connection.execute(owner).fetchone() == ("accounts",)
        extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
    assert {"pg_stat_statements", "pgcrypto"} <= extensions


def test_the_cluster_commits_synchronously_with_checksums_and_auditing(stack):
    leader = stack.containers("server")[stack.status()["postgres"]["leader"]]
    query = "SELECT name || '=' || setting FROM pg_settings WHERE name IN "
    query += "('data_checksums', 'synchronous_standby_names', 'shared_preload_libraries', 'ssl')"
    shown = leader.exec_run(["psql", "-U", "postgres", "-Atc", query]).output.decode()
    settings = dict(line.split("=", 1) for line in shown.splitlines())
    assert settings["data_checksums"] == "on"
    assert settings["ssl"] == "on"
    assert "pgaudit" in settings["shared_preload_libraries"]
    assert settings["synchronous_standby_names"].startswith("ANY 1 (")
    shown = leader.exec_run(["patronictl", "-c", "/etc/selfmonitor", "show-config"]).output.decode()
    config = yaml.safe_load(shown)
    assert config["synchronous_mode"] == "quorum"
    assert config["synchronous_mode_strict"] is True
    assert config["failsafe_mode"] is True


def test_psql_reaches_the_database_through_the_router(stack):
    assert stack.ok("psql", "-Atc", "SELECT current_user").strip() == "user"
    assert stack.ok("psql", "--replica", "-Atc", "SELECT pg_is_in_recovery()").strip() == "t"


def test_logs_shows_a_members_log_and_refuses_an_unknown_member(stack):
    assert "postgres-1" in stack.ok("logs", "postgres-1", "-n", "50")
    refused = stack.run("logs", "postgres-9")
    assert refused.returncode == 2
    assert "postgres-9" in refused.stderr
    assert "postgres-1" in refused.stderr


def test_a_switchover_moves_the_primary_to_the_member_named(stack):
    assert stack.becomes_healthy()
    before = stack.status()["postgres"]
    target = next(m["name"] for m in before["members"] if m["name"] != before["leader"])
    stack.ok("switchover", "--to", target)
    assert stack.becomes_healthy()
    assert stack.status()["postgres"]["leader"] == target


def test_doctor_finds_nothing_to_mend(stack):
    assert stack.becomes_healthy()
    assert "✗" not in stack.ok("doctor")


def moment(text):
    return datetime.datetime.fromisoformat(text)


def test_changed_settings_are_taken_up_member_by_member(other, tmp_path):
    other.ok("up")
    with other.redis() as client:
        client.set("kept", "42")
    before = {name: each.id for name, each in other.containers("server").items()}
    content = yaml.safe_load(other.file.read_text())
    content["config"]["selfmonitor:postgres"] |= {
        "max_connections": 250,
        "failover": {"ttl_seconds": 25, "loop_wait_seconds": 2},
    }
    content["config"]["selfmonitor:redis"] |= {"maxmemory_mib": 200}
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(content))
    done = other.run("up", file=path)
    assert done.returncode == 0, done.stderr

    servers = other.containers("server")
    for name in ("postgres-1", "postgres-2", "postgres-3"):
        # Told through Patroni, not by replacing the container.
        assert servers[name].id == before[name]
        shown = servers[name].exec_run(["psql", "-U", "postgres", "-Atc", "SHOW max_connections"])
        assert shown.output.decode().strip() == "250"
    config = servers["postgres-1"].exec_run(["patronictl", "-c", "/etc/selfmonitor", "show-config"])
    assert yaml.safe_load(config.output.decode())["ttl"] == 25

    # Redis has its settings from a file, so the containers are new: each made after the one
    # before was ready, for which Docker first looks 3 s after its start.
    assert [name for name in REDIS_MEMBERS if servers[name].id == before[name]] == []
    for earlier, later in pairwise(REDIS_MEMBERS):
        started = moment(servers[earlier].attrs["State"]["StartedAt"])
        made = moment(servers[later].attrs["Created"])
        assert made - started > datetime.timedelta(seconds=2)
    limits = {each["memory_limit_bytes"] for each in other.status()["redis"]["members"]}
    assert limits == {200 * MIB}
    with other.redis() as client:
        assert client.get("kept") == "42"
    assert servers["sentinel-1"].id == before["sentinel-1"]
    again = other.run("up", file=path)
    assert "nothing to change" in again.stdout, again.stderr
