"""The configuration files as members, job and routers receive them."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = ("postgres-1", "postgres-2", "postgres-3")


@pytest.fixture
def patroni(local: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(local.file("postgres-1", "patroni.yml"))
    return found


@pytest.fixture
def dynamic(local: Any) -> dict[str, Any]:
    """What the cluster is born with."""
    found: dict[str, Any] = yaml.safe_load(local.file("postgres-1", "bootstrap.yml"))
    return dict(found["bootstrap"]["dcs"])


# patroni.yml


def test_a_commit_waits_for_a_standby_always(dynamic: dict[str, Any]) -> None:
    assert dynamic["synchronous_mode"] == "quorum"
    assert dynamic["synchronous_mode_strict"] is True
    assert dynamic["synchronous_node_count"] == 1


def test_a_primary_goes_on_without_the_consensus_store(dynamic: dict[str, Any]) -> None:
    assert dynamic["failsafe_mode"] is True


def test_a_crashed_primary_is_replaced_at_once_and_rejoins_by_rewinding(
    patroni: dict[str, Any], dynamic: dict[str, Any]
) -> None:
    assert dynamic["primary_start_timeout"] == 0
    assert dynamic["postgresql"]["use_pg_rewind"] is True
    assert dynamic["postgresql"]["use_slots"] is True
    assert dynamic["postgresql"]["parameters"]["wal_log_hints"] == "on"
    # How a data directory is made stands in a program of its own.
    method = patroni["bootstrap"]["method"]
    assert patroni["bootstrap"][method]["command"] == "/usr/local/bin/bootstrap"
    assert "--data-checksums" in (ROOT / "images" / "postgres" / "bootstrap").read_text()


def test_failover_times_come_from_the_stack_file(other: Any) -> None:
    for text in (
        other.file("postgres-1", "bootstrap.yml"),
        other.file("provision-1", "provision.json"),
    ):
        content = yaml.safe_load(text)
        dynamic = (
            content["bootstrap"]["dcs"]
            if "bootstrap" in content
            else content["dynamic_configuration"]
        )
        assert (dynamic["ttl"], dynamic["loop_wait"], dynamic["retry_timeout"]) == (41, 5, 7)


def test_what_the_cluster_is_born_with_is_what_the_job_keeps(
    local: Any, dynamic: dict[str, Any]
) -> None:
    plan = json.loads(local.file("provision-1", "provision.json"))
    assert plan["dynamic_configuration"] == dynamic


def test_the_rest_interface_asks_everyone_for_a_certificate(patroni: dict[str, Any]) -> None:
    rest = patroni["restapi"]
    assert rest["verify_client"] == "required"
    assert rest["cafile"]
    assert rest["certfile"]
    assert rest["keyfile"]


def test_only_members_and_the_job_may_change_anything(patroni: dict[str, Any]) -> None:
    assert patroni["restapi"]["allowlist"] == ["127.0.0.1", *MEMBERS, "provision-1"]


def test_the_allowlist_grows_with_the_members(other: Any) -> None:
    allowed = yaml.safe_load(other.file("postgres-5", "patroni.yml"))["restapi"]["allowlist"]
    assert allowed == ["127.0.0.1", *(f"postgres-{n}" for n in range(1, 6)), "provision-1"]


def test_every_name_a_member_looks_up_resolves_without_asking_anybody(
    local: Any, patroni: dict[str, Any]
) -> None:
    hosts = {each["host"] for each in local.named("Container", "postgres-1").inputs["hosts"]}
    consensus = {each.partition(":")[0] for each in patroni["etcd3"]["hosts"]}
    assert consensus == {"etcd-1", "etcd-2", "etcd-3"}
    assert consensus | set(patroni["restapi"]["allowlist"]) - {"127.0.0.1"} <= hosts


def test_patroni_speaks_to_the_consensus_store_with_its_own_certificate(
    patroni: dict[str, Any],
) -> None:
    assert patroni["etcd3"]["protocol"] == "https"
    assert patroni["etcd3"]["cacert"] == "/etc/selfmonitor/consensus-ca.crt"
    assert patroni["etcd3"]["cert"] == "/etc/selfmonitor/consensus-tls.crt"
    assert patroni["etcd3"]["key"] == "/etc/selfmonitor/consensus-tls.key"


def test_replication_and_rewind_verify_the_primarys_name(patroni: dict[str, Any]) -> None:
    for role in ("replication", "rewind"):
        assert patroni["postgresql"]["authentication"][role]["sslmode"] == "verify-full"


def first_match(rules: list[str], kind: str, database: str, user: str) -> str:
    """The rule PostgreSQL would apply to a connection from the network."""
    for rule in rules:
        connection, databases, users, *rest = rule.split()
        if (
            connection in ("host", kind)
            and (databases == database or (databases == "all" and database != "replication"))
            and (users == "all" or user in users.split(","))
        ):
            return " ".join(rest)
    return "reject"


@pytest.mark.parametrize(
    ("database", "user"),
    [
        ("db_user_profile", "user"),
        ("postgres", "postgres"),
        ("replication", "replicator"),
        ("postgres", "rewind"),
        ("postgres", "pgbouncer"),
        ("postgres", "monitor"),
        ("db_user_profile", "backup"),
    ],
)
def test_everyone_needs_tls_a_certificate_and_a_password(
    patroni: dict[str, Any], database: str, user: str
) -> None:
    rules = patroni["postgresql"]["pg_hba"]
    assert first_match(rules, "hostnossl", database, user).endswith("reject")
    allowed = first_match(rules, "hostssl", database, user)
    assert "scram-sha-256" in allowed
    assert "clientcert=verify-" in allowed


def test_the_superuser_comes_in_only_with_a_certificate_in_its_own_name(
    patroni: dict[str, Any],
) -> None:
    rules = patroni["postgresql"]["pg_hba"]
    assert "clientcert=verify-full" in first_match(rules, "hostssl", "postgres", "postgres")


@pytest.mark.parametrize(
    ("database", "user"),
    [
        ("db_user_profile", "replicator"),
        ("db_user_profile", "rewind"),
        ("db_user_profile", "pgbouncer"),
        ("replication", "user"),
        ("replication", "postgres"),
        ("replication", "rewind"),
    ],
)
def test_a_role_of_the_cluster_comes_in_only_where_its_work_is(
    patroni: dict[str, Any], database: str, user: str
) -> None:
    rules = patroni["postgresql"]["pg_hba"]
    assert first_match(rules, "hostssl", database, user).endswith("reject")


def test_no_rule_trusts_anybody_or_takes_a_weaker_password(patroni: dict[str, Any]) -> None:
    methods = {
        rule.split()[3 if rule.startswith("local") else 4]
        for rule in patroni["postgresql"]["pg_hba"]
    }
    assert methods == {"peer", "scram-sha-256", "reject"}


def test_parameters_of_the_stack_file_reach_the_server_as_they_are(
    other: Any, other_settings: dict[str, Any]
) -> None:
    given = other_settings["postgres"]["parameters"]
    parameters = yaml.safe_load(other.file("postgres-1", "patroni.yml"))["postgresql"]["parameters"]
    assert {key: parameters[key] for key in given} == given


def test_statistics_and_auditing_are_loaded(patroni: dict[str, Any]) -> None:
    parameters = patroni["postgresql"]["parameters"]
    assert parameters["shared_preload_libraries"] == "pg_stat_statements,pgaudit"
    assert parameters["password_encryption"] == "scram-sha-256"
    assert parameters["ssl"] == "on"


def test_settings_every_member_keeps_in_common_replace_no_running_one(
    local: Any, run_program: Any
) -> None:
    """Patroni takes them up by itself; the job restarts whom it must, one after the other."""
    changed = run_program(configuration={"selfmonitor:postgres": '{"max_connections": 300}'})
    for member in MEMBERS:
        before, after = (
            {
                pair["label"]: pair["value"]
                for pair in each.named("Container", member).inputs["labels"]
            }
            for each in (local, changed)
        )
        assert before == after
    assert '"max_connections": 300' in changed.file("postgres-1", "bootstrap.yml")


def test_what_is_committed_reaches_the_vault_within_the_promised_time(other: Any) -> None:
    parameters = yaml.safe_load(other.file("postgres-1", "patroni.yml"))["postgresql"]["parameters"]
    assert parameters["archive_timeout"] == "35s", "and ten more to be transferred"
    # A standby keeps what is not in the vault yet, for the day it is promoted.
    assert parameters["archive_mode"] == "always"
    command = parameters["archive_command"].split()
    assert command[1:] == ["%p", "%f"]
    program = ROOT / "images" / "postgres" / command[0].rpartition("/")[2]
    assert program.stat().st_mode & 0o100


def test_restored_content_can_be_told_by_the_time_of_its_commit(
    patroni: dict[str, Any], dynamic: dict[str, Any]
) -> None:
    """Patroni takes this one from the consensus store alone."""
    assert dynamic["postgresql"]["parameters"]["track_commit_timestamp"] == "on"
    assert "track_commit_timestamp" not in patroni["postgresql"]["parameters"]


def test_no_running_member_asks_the_vault_for_wal(patroni: dict[str, Any]) -> None:
    """A vault that hangs would hold up a failover."""
    assert "restore_command" not in patroni["postgresql"]["parameters"]
    assert "recovery_conf" not in patroni["postgresql"]


def test_members_differ_in_nothing_but_their_name(local: Any) -> None:
    files = [local.file(member, "patroni.yml") for member in MEMBERS]
    assert len(set(files)) == 1
    for member in MEMBERS:
        assert f"PATRONI_NAME={member}" in local.named("Container", member).inputs["envs"]


def test_passwords_reach_patroni_in_a_file_of_their_own(local: Any) -> None:
    passwords = yaml.safe_load(local.file("postgres-2", "passwords.yml"))
    assert passwords["postgresql"]["authentication"] == {
        role: {"password": local.values[f"postgres-password-{name}"]["result"]}
        for role, name in (
            ("superuser", "postgres"),
            ("replication", "replicator"),
            ("rewind", "rewind"),
        )
    }


def test_a_password_of_any_characters_survives_the_file(run_program: Any) -> None:
    nasty = "a'b\"c\\d:e #f{{g}}\u00e9"

    def values(token: str, name: str, inputs: Any) -> dict[str, Any]:
        from standalone.values import MAKERS

        return {"result": nasty} if "password" in name else MAKERS[token][1](inputs)

    found = run_program(values=values)
    passwords = yaml.safe_load(found.file("postgres-1", "passwords.yml"))
    assert passwords["postgresql"]["authentication"]["superuser"]["password"] == nasty
    assert json.loads(found.file("provision-1", "passwords.json"))["user"] == nasty


# provision.json


def test_the_job_learns_databases_and_the_passwords_of_its_roles_only(local: Any) -> None:
    plan = json.loads(local.file("provision-1", "provision.json"))
    assert plan["databases"] == [{"name": "db_user_profile", "owner": "user", "extensions": []}]
    assert plan["members"] == list(MEMBERS)
    passwords = json.loads(local.file("provision-1", "passwords.json"))
    assert passwords.keys() == {"postgres", "pgbouncer", "monitor", "backup", "user"}


def test_several_databases_of_one_owner_make_one_role(
    other: Any, other_settings: dict[str, Any]
) -> None:
    databases = other_settings["postgres"]["databases"]
    assert [each["owner"] for each in databases] == ["seller", "seller", "clerk"]
    assert other.outputs["postgres_passwords"].keys() == {"clerk", "seller"}
    plan = json.loads(other.file("provision-1", "provision.json"))
    assert plan["databases"] == [{"extensions": [], **each} for each in databases]


# haproxy.cfg


def section(text: str, name: str) -> list[str]:
    """The lines of one section of a haproxy.cfg, stripped."""
    lines = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    (found,) = [each for each in lines if each.split("\n", 1)[0] == name]
    return [line.strip() for line in found.splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("backend", ["primary", "replicas"])
@pytest.mark.parametrize(("recording", "count"), [("local", 3), ("other", 5)])
def test_each_backend_has_every_member_verified_by_name(
    request: pytest.FixtureRequest, backend: str, recording: str, count: int
) -> None:
    found = request.getfixturevalue(recording)
    servers = [
        line
        for line in section(found.file("router-1", "haproxy.cfg"), f"backend {backend}")
        if line.startswith("server ")
    ]
    assert servers == [
        f"server postgres-{n} postgres-{n}:5432 verifyhost postgres-{n}"
        for n in range(1, count + 1)
    ]


def test_members_are_asked_over_verified_tls_with_a_certificate(local: Any) -> None:
    (line,) = [
        each
        for each in section(local.file("router-1", "haproxy.cfg"), "defaults")
        if each.startswith("default-server")
    ]
    words = line.split()
    for option, value in (
        ("port", "8008"),
        ("verify", "required"),
        ("ca-file", "/etc/selfmonitor/ca.crt"),
        ("crt", "/etc/selfmonitor/tls.pem"),
        ("on-marked-down", "shutdown-sessions"),
    ):
        assert words[words.index(option) + 1] == value
    assert "check-ssl" in words


def test_the_primary_is_who_says_so_and_reads_go_where_lag_is_small(local: Any) -> None:
    text = local.file("router-1", "haproxy.cfg")
    assert any("uri /primary " in line for line in section(text, "backend primary"))
    assert any("uri /replica?lag=16MB " in line for line in section(text, "backend replicas"))


def test_haproxy_listens_inside_its_container_only(local: Any) -> None:
    binds = re.findall(r"^\s+bind (\S+)$", local.file("router-1", "haproxy.cfg"), re.MULTILINE)
    assert sorted(binds) == ["127.0.0.1:6002", "127.0.0.2:6000", "127.0.0.2:6001"]


def test_haproxy_holds_both_pools_and_the_redis_connection_of_every_client(other: Any) -> None:
    lines = section(other.file("router-1", "haproxy.cfg"), "global")
    assert f"maxconn {3 * 77 + 100}" in lines


def test_haproxys_certificate_file_holds_certificate_and_key(local: Any) -> None:
    pem = local.file("router-1", "tls.pem")
    assert pem == local.file("router-1", "tls.crt") + local.file("router-1", "tls.key")


# pgbouncer.ini


def pgbouncer(recording: Any, purpose: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.read_string(recording.file("router-1", f"pgbouncer-{purpose}.ini"))
    return parser


@pytest.mark.parametrize(
    ("purpose", "listens", "asks"), [("read-write", "5432", "6000"), ("read-only", "5433", "6001")]
)
def test_each_pool_listens_on_its_port_and_asks_its_backend(
    local: Any, purpose: str, listens: str, asks: str
) -> None:
    found = pgbouncer(local, purpose)
    assert found["pgbouncer"]["listen_port"] == listens
    assert found["databases"]["*"] == f"host=postgres port={asks}"


@pytest.mark.parametrize("purpose", ["read-write", "read-only"])
def test_both_sides_of_each_pool_speak_tls_and_the_server_is_verified(
    local: Any, purpose: str
) -> None:
    found = pgbouncer(local, purpose)["pgbouncer"]
    assert found["client_tls_sslmode"] == "require"
    assert found["server_tls_sslmode"] == "verify-full"
    for side in ("client", "server"):
        assert found[f"{side}_tls_cert_file"] == "/etc/selfmonitor/tls.crt"
        assert found[f"{side}_tls_key_file"] == "/etc/selfmonitor/tls.key"
        assert found[f"{side}_tls_ca_file"] == "/etc/selfmonitor/ca.crt"
        assert found[f"{side}_tls_protocols"] == "secure"
    assert found["auth_type"] == "hba"
    assert found["auth_hba_file"] == "/etc/selfmonitor/pgbouncer-hba.conf"
    assert found["pool_mode"] == "transaction"


@pytest.mark.parametrize("role", ["postgres", "replicator", "rewind", "pgbouncer"])
def test_no_role_of_the_cluster_itself_comes_in_through_a_router(local: Any, role: str) -> None:
    rules = rules_of_the_routers(local)
    assert first_match(rules, "hostssl", "db_user_profile", role).endswith("reject")
    assert first_match(rules, "hostssl", "postgres", role).endswith("reject")


def test_an_application_comes_in_through_a_router_over_tls_with_its_password(local: Any) -> None:
    rules = rules_of_the_routers(local)
    assert first_match(rules, "hostssl", "db_user_profile", "user") == "all scram-sha-256"
    assert first_match(rules, "hostnossl", "db_user_profile", "user") == "reject"


def rules_of_the_routers(recording: Any) -> list[str]:
    lines = recording.file("router-1", "pgbouncer-hba.conf").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def test_only_the_pool_for_writing_checks_that_it_reached_a_primary(local: Any) -> None:
    assert "pg_is_in_recovery" in pgbouncer(local, "read-write")["pgbouncer"]["server_check_query"]
    assert "server_check_query" not in pgbouncer(local, "read-only")["pgbouncer"]


def test_pool_sizes_come_from_the_stack_file(other: Any) -> None:
    for purpose in ("read-write", "read-only"):
        section = pgbouncer(other, purpose)["pgbouncer"]
        assert (section["default_pool_size"], section["max_client_conn"]) == ("7", "77")


def test_a_router_knows_the_passwords_of_its_own_two_roles_only_each_where_it_is_used(
    local: Any,
) -> None:
    own = local.values["postgres-password-pgbouncer"]["result"]
    assert local.file("router-1", "userlist.txt") == f'"pgbouncer" "{own}"\n'
    passwords = {name: made["result"] for name, made in local.values.items() if "result" in made}
    found = {
        (name, upload["file"].rpartition("/")[2])
        for upload in local.named("Container", "router-1-files").inputs["uploads"]
        for name, password in passwords.items()
        if password in upload["content"]
    }
    assert found == {
        ("postgres-password-pgbouncer", "userlist.txt"),
        ("redis-password-router", "haproxy-redis.cfg"),
    }


def test_inside_a_router_the_clusters_name_means_haproxy(local: Any) -> None:
    hosts = {e["host"]: e["ip"] for e in local.named("Container", "router-1").inputs["hosts"]}
    assert hosts["postgres"] == "127.0.0.2"


# etcd


def environment(recording: Any, member: str) -> dict[str, str]:
    envs = recording.named("Container", member).inputs["envs"]
    return dict(each.split("=", 1) for each in envs)


def test_the_consensus_store_asks_clients_and_peers_for_certificates(local: Any) -> None:
    found = environment(local, "etcd-2")
    assert found["ETCD_CLIENT_CERT_AUTH"] == found["ETCD_PEER_CLIENT_CERT_AUTH"] == "true"
    assert found["ETCD_PEER_CERT_ALLOWED_HOSTNAME"] == "consensus-peer"
    assert found["ETCD_LISTEN_CLIENT_URLS"].startswith("https://")
    assert found["ETCD_LISTEN_PEER_URLS"].startswith("https://")
    for side in ("", "PEER_"):
        assert found[f"ETCD_{side}TRUSTED_CA_FILE"] == "/etc/selfmonitor/ca.crt"
        assert found[f"ETCD_{side}CERT_FILE"] == "/etc/selfmonitor/tls.crt"
        assert found[f"ETCD_{side}KEY_FILE"] == "/etc/selfmonitor/tls.key"


@pytest.mark.parametrize(("recording", "count"), [("local", 3), ("other", 5)])
def test_every_consensus_member_knows_all_and_itself(
    request: pytest.FixtureRequest, recording: str, count: int
) -> None:
    found = request.getfixturevalue(recording)
    names = [f"etcd-{n}" for n in range(1, count + 1)]
    for name in names:
        own = environment(found, name)
        assert own["ETCD_INITIAL_CLUSTER"] == ",".join(f"{n}=https://{n}:2380" for n in names)
        assert own["ETCD_NAME"] == name
        assert own["ETCD_ADVERTISE_CLIENT_URLS"] == f"https://{name}:2379"


# Readiness


def test_every_server_says_what_it_waits_for(local: Any) -> None:
    for each in local.servers:
        labels = {pair["label"]: pair["value"] for pair in each.inputs["labels"]}
        if each.name == "provision-1":
            assert not each.inputs.get("healthcheck")
        else:
            assert each.inputs["healthcheck"]["tests"][0] == "CMD"
            assert each.inputs["wait"] is True
            assert len(labels["io.selfmonitor.waits-for"]) > 10


def test_the_routers_probe_looks_for_the_ports_pgbouncer_listens_on(local: Any) -> None:
    probe = local.named("Container", "router-1").inputs["healthcheck"]["tests"][-1]
    assert sorted(int(port, 16) for port in re.findall(r"':([0-9A-F]{4}) ", probe)) == [5432, 5433]
