"""The program as the engine runs it: what it registers, and what it keeps to itself."""

import ast
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

ROOT = Path(__file__).resolve().parents[1]
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_OUTPUTS = {"postgres_passwords", "redis_password", "application_key", "backup_keys"}
SERVICE = ("backup", "replication", "restore-test", "side")


def by_urn(recording: Any) -> dict[str, Any]:
    return {each.urn: each for each in recording.requests}


def texts(value: Any) -> Iterator[str]:
    """Every text anywhere in a value, secrets included."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def open_texts(value: Any) -> Iterator[str]:
    """Every text anywhere in a raw value that is not marked as a secret."""
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return
        for key, each in value.items():
            yield str(key)
            yield from open_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from open_texts(each)
    elif isinstance(value, str):
        yield value


def generated_secrets(recording: Any) -> list[str]:
    found = [
        made[key].strip()
        for made in recording.values.values()
        for key in ("result", "privateKeyPem")
        if key in made
    ]
    assert len(found) == 40, "twenty-three passwords and seventeen keys"
    return found


# What runs, and how it is confined.


def test_the_default_stack_is_two_databases_their_backups_those_who_watch_routers_and_a_job(
    local: Any,
) -> None:
    assert sorted(each.name for each in local.servers) == [
        "backup-1",
        *(f"etcd-{n}" for n in (1, 2, 3)),
        "events-1",
        *(f"postgres-{n}" for n in (1, 2, 3)),
        "provision-1",
        *(f"redis-{n}" for n in (1, 2, 3)),
        "replication-1",
        "restore-test-1",
        "router-1",
        "router-2",
        *(f"sentinel-{n}" for n in (1, 2, 3)),
        "side-1",
        "vault-1",
        "vault-copy-1",
    ]


def test_every_container_has_one_that_delivers_its_files(local: Any) -> None:
    assert {each.name for each in local.deliverers} == {
        f"{each.name}-files" for each in local.servers
    }


def test_no_container_runs_as_root(local: Any) -> None:
    containers = local.of("Container")
    assert containers
    assert {each.inputs["user"] for each in containers} == {"10001:10001"}


def test_every_container_drops_all_capabilities_and_gains_no_privileges(local: Any) -> None:
    for each in local.of("Container"):
        assert each.inputs["capabilities"] == {"drops": ["ALL"]}, each.name
        assert each.inputs["securityOpts"] == ["no-new-privileges:true"], each.name
        assert not each.inputs.get("privileged"), each.name


def test_every_server_is_read_only_and_what_it_may_write_is_not_executable(local: Any) -> None:
    for each in local.servers:
        assert each.inputs["readOnly"] is True, each.name
        for path, options in each.inputs["tmpfs"].items() if "tmpfs" in each.inputs else ():
            assert {"noexec", "nosuid", "nodev"} <= set(options.split(",")), (each.name, path)
            assert "size=" in options


def test_what_delivers_files_has_no_network_and_runs_once(local: Any) -> None:
    for each in local.deliverers:
        assert each.inputs["networkMode"] == "none"
        assert not each.inputs.get("networksAdvanced")
        assert not each.inputs.get("ports")
        assert each.inputs["mustRun"] is False
        assert each.inputs["restart"] == "no"


def test_every_container_has_a_memory_limit(local: Any) -> None:
    for each in local.of("Container"):
        assert 32 <= each.inputs["memory"] <= 1024, each.name
        assert each.inputs["memorySwap"] == each.inputs["memory"], "no swap beyond the limit"


def test_every_containers_log_is_bounded(local: Any) -> None:
    for each in local.of("Container"):
        assert each.inputs["logDriver"] == "json-file"
        assert each.inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}, each.name


def test_only_routers_and_the_side_instance_publish_ports_and_only_on_the_bind_address(
    local: Any,
) -> None:
    published = {each.name: each.inputs.get("ports") or [] for each in local.of("Container")}
    assert {name for name, ports in published.items() if ports} == {
        *("router-1", "router-2", "side-1")
    }
    assert {p["ip"] for ports in published.values() for p in ports} == {"127.0.0.1"}
    assert [[p["external"] for p in published[f"router-{n}"]] for n in (1, 2)] == [
        [5432, 5433, 6379],
        [5442, 5443, 6389],
    ]
    assert [p["external"] for p in published["side-1"]] == [5440]


def test_the_bind_address_of_the_stack_file_is_the_one_ports_are_published_on(
    run_program: Callable[..., Any],
) -> None:
    found = run_program(configuration={"selfmonitor:bind_address": "192.168.7.9"})
    ports = [p for each in found.servers for p in each.inputs.get("ports") or ()]
    assert {p["ip"] for p in ports} == {"192.168.7.9"}
    for service in ("postgres", "redis"):
        ends = found.outputs[f"{service}_endpoints"]["read_write"]
        assert {each["host"] for each in ends} == {"192.168.7.9"}


def test_every_network_is_internal_but_for_the_one_clients_come_from(local: Any) -> None:
    networks = {each.inputs["name"]: each.inputs["internal"] for each in local.of("Network")}
    assert networks == {
        "selfmonitor-local-data": True,
        "selfmonitor-local-cache": True,
        "selfmonitor-local-backup": True,
        "selfmonitor-local-remote": True,
        "selfmonitor-local-restore": True,
        "selfmonitor-local-access": False,
    }


def on_network(recording: Any, name: str) -> set[str]:
    return {
        each.name
        for each in recording.of("Container")
        for network in each.inputs.get("networksAdvanced") or ()
        if network["name"] == name
    }


POSTGRES = {f"{name}-{n}" for name in ("etcd", "postgres") for n in (1, 2, 3)}
REDIS = {f"{name}-{n}" for name in ("redis", "sentinel") for n in (1, 2, 3)}
ROUTERS = {"router-1", "router-2"}


def test_each_network_has_those_on_it_that_need_each_other(local: Any) -> None:
    members = {f"postgres-{n}" for n in (1, 2, 3)}
    found = {
        network.inputs["name"].rpartition("-")[2]: on_network(local, network.inputs["name"])
        for network in local.of("Network")
    }
    assert found == {
        "data": POSTGRES | ROUTERS | {"provision-1", "events-1"},
        "cache": REDIS | ROUTERS | {"events-1", "backup-1"},
        "backup": members | {"vault-1", "backup-1", "replication-1"},
        "remote": {"vault-copy-1", "replication-1"},
        "restore": {"vault-1", "restore-test-1", "side-1"},
        "access": ROUTERS | {"side-1"},
    }


def test_the_two_databases_share_no_network(local: Any) -> None:
    """Whoever breaks into one of them does not reach the other."""
    for network in local.of("Network"):
        there = on_network(local, network.inputs["name"])
        assert not (there & POSTGRES and there & REDIS), network.name
    reach = {
        name: {n["name"] for n in each.inputs["networksAdvanced"]}
        for each in local.servers
        for name in (each.name,)
    }
    near = {
        side: {name for name in reach if any(reach[name] & reach[member] for member in members)}
        for side, members in (("postgres", POSTGRES), ("redis", REDIS))
    }
    # Those that serve or look after both.
    assert near["postgres"] & near["redis"] == ROUTERS | {"events-1", "backup-1"}


def test_the_second_region_is_reached_by_replication_alone(local: Any) -> None:
    """Not from the first vault, nor from anybody who could have been broken into there."""
    remote = "selfmonitor-local-remote"
    for each in local.servers:
        networks = {network["name"] for network in each.inputs["networksAdvanced"]}
        if remote in networks and each.name != "replication-1":
            assert networks == {remote}, each.name


def test_what_is_restored_runs_where_no_running_database_is(local: Any) -> None:
    assert not on_network(local, "selfmonitor-local-restore") & (POSTGRES | REDIS)
    access = on_network(local, "selfmonitor-local-access")
    assert access - ROUTERS == {"side-1"}, "clients come to it, and it goes to a router"


def test_every_address_is_handed_out_once(local: Any) -> None:
    addresses = [
        network["ipv4Address"]
        for each in local.of("Container")
        for network in each.inputs.get("networksAdvanced") or ()
    ]
    assert len(addresses) == len(set(addresses)) == 34


def test_a_server_mounts_its_files_read_only_and_nobody_elses(local: Any) -> None:
    for each in local.servers:
        files = [v for v in each.inputs["volumes"] if v["containerPath"] == "/etc/selfmonitor"]
        assert [(v["volumeName"], v["readOnly"]) for v in files] == [
            (f"selfmonitor-local-{each.name}-files", True)
        ]


def test_data_is_on_a_volume_of_its_own_for_each_member_that_has_some(local: Any) -> None:
    data = {
        each.name: v["volumeName"]
        for each in local.servers
        for v in each.inputs["volumes"]
        if v["volumeName"].endswith("-data")
    }
    assert data == {
        f"{name}-{n}": f"selfmonitor-local-{name}-{n}-data"
        for name in ("etcd", "postgres", "redis", "sentinel")
        for n in (1, 2, 3)
    } | {
        f"{name}-1": f"selfmonitor-local-{name}-1-data"
        for name in ("events", "vault", "vault-copy", *SERVICE)
    }


def test_containers_never_mount_a_folder_of_the_machine(local: Any) -> None:
    for each in local.of("Container"):
        assert not each.inputs.get("mounts")
        assert not [v for v in each.inputs["volumes"] if v.get("hostPath")]


def test_every_container_volume_and_network_bears_the_stacks_label(local: Any) -> None:
    for token in ("Container", "Volume", "Network"):
        for each in local.of(token):
            labels = {pair["label"]: pair["value"] for pair in each.inputs["labels"]}
            assert labels["io.selfmonitor.stack"] == "local", each.name


def test_another_stack_shares_no_name_with_this_one(
    local: Any, run_program: Callable[..., Any]
) -> None:
    other = run_program(stack="second", configuration={"selfmonitor:subnet": "10.99.0.0/16"})

    def names(recording: Any) -> set[str]:
        return {
            each.inputs["name"]
            for token in ("Container", "Volume", "Network")
            for each in recording.of(token)
        }

    assert len(names(other)) == len(names(local))
    assert not names(other) & names(local)
    assert all(
        network["ipv4Address"].startswith("10.99.")
        for each in other.servers
        for network in each.inputs["networksAdvanced"]
    )


# Order.


def test_servers_start_after_their_files_and_after_what_they_rest_on(local: Any) -> None:
    requests = by_urn(local)

    def names_before(urn: str) -> set[str]:
        found: set[str] = set()
        for each in requests[urn].dependencies:
            if each in requests and requests[each].name not in found:
                found |= {requests[each].name} | names_before(each)
        return found

    before = {each.name: names_before(each.urn) for each in local.servers}
    for name, found in before.items():
        assert f"{name}-files" in found
    assert {"etcd-1", "etcd-2", "etcd-3"} <= before["postgres-1"]
    assert {"postgres-1", "postgres-2"} <= before["postgres-3"]
    assert "postgres-2" not in before["postgres-1"]
    assert {"postgres-1", "postgres-2", "postgres-3"} <= before["provision-1"]
    assert "provision-1" in before["router-1"]
    assert "provision-1" in before["router-2"]
    # A Redis member that starts asks the Sentinels what it is.
    assert {"sentinel-1", "sentinel-2", "sentinel-3"} <= before["redis-1"]
    assert {"redis-1", "redis-2"} <= before["redis-3"]
    assert not {"redis-2", "postgres-1"} & before["redis-1"]
    assert not {"redis-1", "postgres-1"} & before["sentinel-3"]
    for router in ("router-1", "router-2"):
        assert {"redis-1", "redis-2", "redis-3"} <= before[router]
    assert not {name for name, found in before.items() if "events-1" in found}
    # The first thing a new cluster does is ask the vault whether it has a past.
    assert "vault-1" in before["postgres-1"]
    assert {"provision-1", "redis-3", "vault-1"} <= before["backup-1"]
    assert {"vault-1", "vault-copy-1"} <= before["replication-1"]
    for name in ("restore-test-1", "side-1"):
        assert "vault-1" in before[name]
        assert not {"postgres-1", "redis-1"} & before[name]
    # Commits go on without the second region, and nobody waits for what only reads.
    assert not {n for n, found in before.items() if "vault-copy-1" in found} - {"replication-1"}
    assert not {n for n, found in before.items() if {"restore-test-1", "side-1"} & found}


def test_what_has_a_fixed_name_is_deleted_before_it_is_replaced(local: Any) -> None:
    fixed = [*local.of("Container"), *local.of("Network")]
    assert [each.name for each in fixed if not each.delete_before_replace] == []


# Tree.


def test_everything_but_images_and_networks_is_a_child_of_its_component(local: Any) -> None:
    requests = by_urn(local)
    for each in local.requests:
        parent = requests.get(each.parent)
        shared = each.type.rpartition(":")[2] in ("RemoteImage", "Network")
        names = ("authority", "vault", "postgres", "redis", "routers", "events", "backup")
        top = each.name in names and not each.custom
        if shared or top:
            assert parent is None, each.name
        else:
            assert parent is not None, each.name
            assert not parent.custom, each.name


def test_each_component_has_the_children_that_are_its_own(local: Any) -> None:
    requests = by_urn(local)
    parents = {
        each.name: requests[each.parent].name for each in local.requests if each.parent in requests
    }
    assert parents["postgres-1"] == parents["postgres-password-user"] == "postgres"
    assert parents["redis-2"] == parents["sentinel-1"] == "redis"
    assert parents["redis-password-application"] == parents["redis-1-data"] == "redis"
    assert parents["router-1"] == parents["router-2-files"] == "routers"
    assert parents["events-1"] == "events"
    assert parents["router-certificate"] == parents["authority-key"] == "authority"
    assert parents["application-key"] == parents["sentinel-certificate"] == "authority"
    assert parents["etcd-certificate"] == parents["patroni-key"] == "postgres-consensus-authority"
    assert parents["vault-1"] == parents["vault-copy-1-data"] == "vault"
    assert parents["vault-key-password-logical"] == parents["vault-copy-password-reader"] == "vault"
    for name in SERVICE:
        assert parents[f"{name}-1"] == parents[f"{name}-1-files"] == "backup"
        assert parents[f"{name}-key"] == "authority"


def test_every_component_registers_its_outputs(local: Any) -> None:
    components = {each.urn: each.name for each in local.requests if not each.custom}
    assert len(components) == 8
    assert components.keys() <= local.component_outputs.keys()
    # Nobody needs anything of the watcher, nor of what makes backups.
    empty = {name for urn, name in components.items() if not local.component_outputs[urn]}
    assert empty == {"events", "backup"}


# Secrets.


@pytest.mark.parametrize("recording", ["local", "first_preview"])
def test_every_secret_file_is_marked_secret_on_the_wire(
    recording: str, request: pytest.FixtureRequest
) -> None:
    plain = {"patroni.yml", "provision.json", "haproxy.cfg"}
    plain |= {"pgbouncer-read-write.ini", "pgbouncer-read-only.ini", "pgbouncer-hba.conf"}
    plain |= {"redis.conf", "sentinel.conf", "group.json", "events.json"}
    plain |= {"vault.json", "backup.json", "hold.json"}
    seen = set()
    for each in request.getfixturevalue(recording).deliverers:
        for upload in each.raw["uploads"]:
            name = upload["file"].rpartition("/")[2]
            seen.add(name)
            is_secret = isinstance(upload["content"], dict) and SIGNATURE in upload["content"]
            assert is_secret is (name not in plain), name
    assert plain < seen
    assert {"tls.key", "consensus-tls.key", "passwords.yml", "passwords.json"} < seen
    assert {"tls.pem", "userlist.txt", "haproxy-redis.cfg"} < seen
    assert {"users.acl", "secrets.conf", "keeper.password", "events.password"} < seen
    assert {"identities.json", "vault.credentials.json", "copy.credentials.json"} < seen
    assert {"pgbackrest.conf", "logical.key", "postgres.password", "redis.password"} < seen


def test_no_generated_password_or_key_is_anywhere_in_the_open(local: Any) -> None:
    secrets = generated_secrets(local)
    for each in local.requests:
        for text in open_texts(each.raw):
            assert not [s for s in secrets if s in text], each.name


def test_not_even_a_passwords_hash_is_anywhere_in_the_open(local: Any) -> None:
    hashes = [
        hashlib.sha256(made["result"].encode()).hexdigest()
        for name, made in local.values.items()
        if name.startswith("redis-password-")
    ]
    delivered = "\n".join(
        text for each in local.deliverers for text in texts(each.inputs["uploads"])
    )
    for each in hashes:
        assert each in delivered, "otherwise its absence would prove nothing"
    for request in local.requests:
        for text in open_texts(request.raw):
            assert not [each for each in hashes if each in text], request.name


def test_no_generated_password_or_key_is_in_an_environment_command_or_label(local: Any) -> None:
    secrets = generated_secrets(local)
    for each in local.of("Container"):
        shown = {key: value for key, value in each.inputs.items() if key != "uploads"}
        assert (
            {"labels", "healthcheck"} <= shown.keys()
            or each in local.deliverers
            or (each.name == "provision-1")
        )
        for text in texts(shown):
            assert not [s for s in secrets if s in text], each.name


def test_no_generated_password_or_key_is_in_an_output_in_the_open(local: Any) -> None:
    secrets = generated_secrets(local)
    for outputs in local.component_outputs.values():
        for text in open_texts(outputs):
            assert not [s for s in secrets if s in text]
    for name, value in local.outputs.items():
        if name not in local.secret_outputs:
            assert not [s for text in texts(value) for s in secrets if s in text], name


def test_the_secrets_the_canary_looks_for_do_reach_who_needs_them(local: Any) -> None:
    """Otherwise their absence elsewhere would prove nothing."""
    delivered = "\n".join(
        text for each in local.deliverers for text in texts(each.inputs["uploads"])
    )
    keys = [v["privateKeyPem"] for v in local.values.values() if "privateKeyPem" in v]
    authorities = {
        local.values[f"{n}-key"]["privateKeyPem"]
        for n in ("authority", "postgres-consensus-authority")
    }
    # The servers have these as hashes: the application's own is an output, monitoring is nobody's
    # yet, and Redis is filled only when a stack begins with a backup.
    outside = {f"redis-password-{user}" for user in ("application", "monitor", "restore")}
    for name, made in local.values.items():
        if "result" in made:
            assert (made["result"] in delivered) is (name not in outside), name
    application = local.values["application-key"]["privateKeyPem"]
    assert local.outputs["application_key"] == application
    for key in keys:
        assert (key.strip() in delivered) is (key not in {*authorities, application})


def test_the_outputs_are_endpoints_passwords_the_keys_of_backups_and_the_authority(
    local: Any,
) -> None:
    assert local.outputs["postgres_endpoints"] == {
        "read_write": [{"host": "127.0.0.1", "port": 5432}, {"host": "127.0.0.1", "port": 5442}],
        "read_only": [{"host": "127.0.0.1", "port": 5433}, {"host": "127.0.0.1", "port": 5443}],
    }
    assert local.outputs["postgres_passwords"] == {
        "user": local.values["postgres-password-user"]["result"]
    }
    assert local.outputs["redis_endpoints"] == {
        "read_write": [{"host": "127.0.0.1", "port": 6379}, {"host": "127.0.0.1", "port": 6389}]
    }
    assert local.outputs["redis_sentinels"] == [
        {"host": f"10.87.1.{last}", "port": 26379} for last in (96, 97, 98)
    ]
    made = local.values
    assert local.outputs["redis_password"] == made["redis-password-application"]["result"]
    assert local.outputs["application_certificate"] == made["application-certificate"]["certPem"]
    assert local.outputs["application_key"] == made["application-key"]["privateKeyPem"]
    assert local.outputs["ca_certificate"] == made["authority-certificate"]["certPem"]
    assert local.outputs["backup_keys"] == {
        name: made[f"vault-key-password-{name}"]["result"] for name in ("repository", "logical")
    }
    assert local.secret_outputs == SECRET_OUTPUTS
    assert len(local.outputs) == 9


def test_every_role_has_a_password_of_its_own_and_all_differ(local: Any) -> None:
    passwords = {name: made["result"] for name, made in local.values.items() if "result" in made}
    roles = ("postgres", "replicator", "rewind", "pgbouncer", "monitor", "backup", "user")
    users = ("application", "replication", "sentinel", "keeper", "router", "monitor", "backup")
    assert passwords.keys() == {
        *(f"postgres-password-{role}" for role in roles),
        *(f"redis-password-{user}" for user in (*users, "events", "restore")),
        *(f"vault-password-{identity}" for identity in ("writer", "reader", "tester")),
        *(f"vault-copy-password-{identity}" for identity in ("writer", "reader")),
        *(f"vault-key-password-{key}" for key in ("repository", "logical")),
    }
    assert len(set(passwords.values())) == len(passwords)
    assert all(len(password) == 32 for password in passwords.values())


# One run after another.


def test_two_runs_with_the_same_values_register_the_same(
    local: Any, run_program: Callable[..., Any]
) -> None:
    again = run_program(values=lambda token, name, inputs: local.values[name])
    first, second = by_urn(local), by_urn(again)
    assert first.keys() == second.keys()
    for urn, request in first.items():
        assert second[urn].raw == request.raw, urn
        assert second[urn].dependencies == request.dependencies, urn
    assert again.outputs == local.outputs


def test_a_renewed_certificate_changes_delivered_files_and_no_server(
    local: Any, run_program: Callable[..., Any]
) -> None:
    renewed = "-----BEGIN CERTIFICATE-----\nrenewed\n-----END CERTIFICATE-----\n"

    def values(token: str, name: str, inputs: Any) -> dict[str, Any]:
        made = dict(local.values[name])
        return {**made, "certPem": renewed} if name == "router-certificate" else made

    again = by_urn(run_program(values=values))
    changed = {each.name for each in local.requests if again[each.urn].raw != each.raw}
    assert changed == {"router-1-files", "router-2-files"}


@pytest.mark.parametrize(
    ("renewed", "files"),
    [
        ("redis-certificate", {"redis-1-files", "redis-2-files", "redis-3-files"}),
        (
            "redis-password-router",
            {f"{s}-{n}-files" for s, c in (("redis", 3), ("router", 2)) for n in range(1, c + 1)},
        ),
    ],
)
def test_a_renewed_secret_of_redis_reaches_running_servers_and_replaces_none(
    local: Any, run_program: Callable[..., Any], renewed: str, files: set[str]
) -> None:
    def values(token: str, name: str, inputs: Any) -> dict[str, Any]:
        made = dict(local.values[name])
        key = "result" if "result" in made else "certPem"
        return {**made, key: "another"} if name == renewed else made

    again = by_urn(run_program(values=values))
    changed = {each.name for each in local.requests if again[each.urn].raw != each.raw}
    assert changed == files


@pytest.mark.parametrize(
    ("key", "setting", "workload", "members"),
    [
        ("postgres", {"routers": {"pool_size": 7}}, "router", (1, 2)),
        ("redis", {"maxmemory_mib": 100}, "redis", (1, 2, 3)),
        ("redis", {"failover": {"down_after_ms": 1500}}, "sentinel", (1, 2, 3)),
        ("backup", {"recovery_point_seconds": 90}, "postgres", (1, 2, 3)),
    ],
)
def test_a_changed_setting_changes_the_servers_that_read_it(
    local: Any,
    run_program: Callable[..., Any],
    key: str,
    setting: dict[str, Any],
    workload: str,
    members: tuple[int, ...],
) -> None:
    again = by_urn(
        run_program(
            configuration={f"selfmonitor:{key}": json.dumps(setting)},
            values=lambda token, name, inputs: local.values[name],
        )
    )
    changed = {each.name for each in local.requests if again[each.urn].raw != each.raw}
    assert changed == {f"{workload}-{n}{part}" for n in members for part in ("", "-files")}


@pytest.mark.parametrize("source", ["vault", "copy"])
def test_the_up_after_a_recovery_replaces_no_server(
    local: Any, recovered: dict[str, Any], source: str
) -> None:
    """What a stack began with is in files that reach running members; else only waiting differs."""
    begun = by_urn(recovered[source])
    assert {each.urn for each in local.requests} <= begun.keys(), "nothing is taken away"
    changed = {each.name for each in local.requests if begun[each.urn].raw != each.raw}
    members = ("postgres-1", "postgres-2", "postgres-3")
    assert changed == {f"{member}{part}" for member in members for part in ("", "-files")}
    for member in members:
        request = local.named("Container", member)
        before, after = request.inputs, begun[request.urn].inputs
        assert {key for key in after if after[key] != before.get(key)} == {"waitTimeout"}
        assert after["waitTimeout"] > 3600 > before["waitTimeout"]


def test_a_preview_that_knows_no_generated_value_registers_the_same_resources(
    local: Any, first_preview: Any
) -> None:
    assert by_urn(first_preview).keys() == by_urn(local).keys()
    assert first_preview.secret_outputs == SECRET_OUTPUTS


def test_at_a_preview_only_what_is_made_of_generated_values_differs(
    local: Any, first_preview: Any
) -> None:
    """Anything else would show as a replacement that never happens."""
    previewed = by_urn(first_preview)
    for each in local.servers:
        assert previewed[each.urn].raw == each.raw, each.name


@pytest.mark.parametrize("name", ["postgres-2-files", "provision-1", "redis-3-files"])
def test_a_one_shot_container_that_fails_is_an_error_that_names_it(
    name: str, run_program: Callable[..., Any]
) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{name} ended with exit status 3: "):
        run_program(exit_codes={name: 3})


# What the engine accepts.


def test_every_input_is_one_the_installed_sdk_knows(
    local: Any, unknown_inputs: Callable[..., list[str]]
) -> None:
    checked = set()
    for each in local.requests:
        if each.custom:
            checked.add(each.type)
            assert unknown_inputs(each.type, each.raw, each.name) == []
    assert len(checked) == 9


def test_the_check_of_inputs_sees_a_wrong_key_at_any_depth(
    local: Any, unknown_inputs: Callable[..., list[str]]
) -> None:
    raw = json.loads(json.dumps(local.named("Container", "router-1").raw))
    raw["ports"][0]["extrenal"] = 1
    raw["capabilities"]["drop"] = []
    raw["readonly"] = True
    found = set(unknown_inputs("docker:index/container:Container", raw, "x"))
    assert found == {"x.ports.extrenal", "x.capabilities.drop", "x.readonly"}


# What it refuses.


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            {"selfmonitor:postgres": '{"membrs": 3}'},
            "Pulumi.local.yaml: postgres.membrs: unknown key; did you mean members?",
        ),
        (
            {"selfmonitor:subnte": "x"},
            "Pulumi.local.yaml: subnte: unknown key; did you mean subnet?",
        ),
    ],
)
def test_a_bad_stack_file_is_one_line_before_anything_is_registered(
    recorder: Callable[..., Any],
    run_program: Callable[..., Any],
    configuration: dict[str, str],
    message: str,
) -> None:
    made: list[str] = []

    def values(token: str, name: str, inputs: Any) -> dict[str, Any]:
        made.append(name)
        return {}

    with pytest.raises(pulumi.RunError) as caught:
        run_program(configuration=configuration, values=values)
    assert str(caught.value) == message
    assert made == []


def test_the_program_is_short_and_holds_nothing_but_the_wiring() -> None:
    lines = (ROOT / "__main__.py").read_text().splitlines()
    assert len(lines) < 60


@pytest.mark.parametrize("path", sorted((ROOT / "components").glob("*.py")), ids=lambda p: p.name)
def test_components_know_no_platform(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    forbidden = ("pulumi_docker", "pulumi_kubernetes", "docker")
    platforms = ("platforms.docker", "platforms.kubernetes", "platforms.choose")
    assert not [name for name in imported if name in forbidden or name.startswith(platforms)]


@pytest.mark.parametrize("path", sorted((ROOT / "platforms").glob("*.py")), ids=lambda p: p.name)
def test_platforms_know_no_component(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith(("components", "settings.postgres"))
