"""What must be refused, each beside a control that shows the door would open to the right key."""

import re
import time

import psycopg
import pytest

FILES = "/files"
# libpq and curl with the certificates of whoever's files are mounted.
PSQL_CERTIFICATE = f"sslrootcert={FILES}/ca.crt sslcert={FILES}/tls.crt sslkey={FILES}/tls.key"
CURL = "curl --silent --show-error --max-time 5"


def curl_as(prefix: str = "") -> str:
    cert = f"--cert {FILES}/{prefix}tls.crt --key {FILES}/{prefix}tls.key"
    return f"{CURL} --cacert {FILES}/{prefix}ca.crt {cert}"


@pytest.fixture
def inside(stack):
    """Runs a script in the data segment, where members' names resolve."""

    def run(script: str, files_of: str | None = None) -> tuple[int, str]:
        names = ("postgres-1", "postgres-2", "postgres-3", "etcd-1")
        return stack.probe(
            script,
            network=f"selfmonitor-{stack.name}-data",
            volumes=[f"selfmonitor-{stack.name}-{files_of}-files"] if files_of else [],
            hosts={name: stack.address(name, "data") for name in names},
        )

    return run


def test_the_right_password_over_verified_tls_is_let_in(stack):
    with stack.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.info.pgconn.ssl_in_use


def test_a_client_without_tls_is_refused(stack):
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        stack.connect(sslmode="disable")


def test_a_wrong_password_is_refused(stack):
    with pytest.raises(psycopg.OperationalError, match=r"(?i)authentication failed"):
        stack.connect(password="wrong-password")


def test_a_client_that_trusts_another_authority_turns_away(stack, strangers_authority):
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        stack.connect(sslrootcert=strangers_authority)


@pytest.mark.parametrize("role", ["postgres", "replicator", "rewind", "pgbouncer", "backup"])
def test_the_clusters_own_roles_do_not_pass_the_routers(stack, role):
    password = stack.password(f"postgres-password-{role}")
    deadline = time.monotonic() + 60
    while True:
        with pytest.raises(psycopg.OperationalError) as refused:
            stack.connect(user=role, password=password, dbname="postgres")
        # On a loaded machine the router may be late to reach a server; that refuses nobody.
        if "server login" not in str(refused.value) or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert re.search("authentication failed|login rejected|no such user", str(refused.value))


def test_postgres_inside_the_segment_wants_tls_a_certificate_and_a_password(stack, inside):
    password = stack.outputs()["postgres_passwords"]["user"]
    leader = stack.status()["postgres"]["leader"]
    target = f"host={leader} user=user dbname=db_user_profile"

    def psql(more: str, secret: str, files_of: str | None = None) -> tuple[int, str]:
        # The probe is the test's own container: its environment is nobody's listing.
        command = f"PGPASSWORD={secret} psql '{target} {more}' -Atc 'SELECT 1'"
        return inside(command, files_of)

    assert psql(f"sslmode=verify-full {PSQL_CERTIFICATE}", password, "router-1") == (0, "1\n")
    status, output = psql("sslmode=disable", password)
    assert status != 0
    assert "no encryption" in output
    status, output = psql("sslmode=require", password)
    assert status != 0
    assert "client certificate" in output
    status, output = psql(f"sslmode=verify-full {PSQL_CERTIFICATE}", "wrong", "router-1")
    assert status != 0
    assert "password authentication failed" in output


def test_the_superuser_needs_a_certificate_in_its_own_name(stack, inside):
    password = stack.password("postgres-password-postgres")
    leader = stack.status()["postgres"]["leader"]
    target = f"host={leader} user=postgres dbname=postgres sslmode=verify-full {PSQL_CERTIFICATE}"
    command = f"PGPASSWORD={password} psql '{target}' -Atc 'SELECT 1'"
    assert inside(command, "provision-1") == (0, "1\n")
    status, output = inside(command, "router-1")
    assert status != 0
    assert "authentication failed" in output or "certificate" in output


def test_the_consensus_store_speaks_only_to_patroni(inside):
    url = "https://etcd-1:2379/v3/kv/range"
    body = """--data '{"key": "Lw==", "limit": "1"}'"""
    status, output = inside(f"{curl_as('consensus-')} {body} {url}", "postgres-1")
    assert status == 0, output
    assert "header" in output
    status, output = inside(f"{CURL} --insecure {body} {url}")
    assert status != 0
    assert "certificate required" in output or "bad certificate" in output
    # A certificate of the stack's other authority is no certificate here.
    status, output = inside(f"{curl_as()} --insecure {body} {url}", "router-1")
    assert status != 0
    assert "unknown ca" in output or "certificate" in output
    status, output = inside(f"{CURL} {body} http://etcd-1:2379/v3/kv/range")
    assert status != 0 or "header" not in output


def test_patroni_answers_only_holders_of_a_certificate(inside):
    url = "https://postgres-1:8008"
    status, output = inside(f"{curl_as()} {url}/patroni", "router-1")
    assert status == 0, output
    assert '"scope": "selfmonitor-systest"' in output
    status, output = inside(f"{CURL} --insecure {url}/patroni")
    assert status != 0
    # The server may hang up before its reason has been read.
    assert re.search("certificate required|reset by peer", output)
    status, output = inside(f"{CURL} http://postgres-1:8008/patroni")
    assert status != 0
    # With a certificate but from no member's address: look, and touch nothing.
    body = """--data '{"leader": "postgres-1"}'"""
    status, output = inside(f"{curl_as()} --request POST {body} {url}/switchover", "router-1")
    assert "Access is denied" in output


@pytest.mark.parametrize("segment", ["access", "cache", None])
def test_a_container_outside_the_segment_reaches_no_data_member(stack, segment):
    targets = [
        (stack.address("postgres-1", "data"), 5432),
        (stack.address("postgres-1", "data"), 8008),
        (stack.address("etcd-1", "data"), 2379),
    ]
    with stack.network("data") as inside:
        assert stack.reach(inside, targets) == ["open"] * 3
    with stack.network(segment) as outside:
        assert stack.reach(outside, targets) == ["closed"] * 3


def test_members_with_data_have_no_way_out(stack):
    # A server in another segment stands for the world outside.
    network = f"selfmonitor-{stack.name}-access"
    server = stack.client.containers.run(
        stack.containers("server")["postgres-1"].image.id,
        ["python3", "-m", "http.server", "8000", "--directory", "/usr/share/doc"],
        network=network,
        labels={"io.selfmonitor.test": stack.name},
        detach=True,
    )
    try:
        server.reload()
        address = server.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
        ask = f"curl --silent --output /dev/null --max-time 3 http://{address}:8000/"
        patiently = f"for i in 1 2 3 4 5 6 7 8 9; do {ask} && exit 0; sleep 0.5; done; exit 1"
        assert stack.probe(patiently, network=network)[0] == 0
        for member in ("postgres-2", "redis-2", "sentinel-2"):
            result = stack.containers("server")[member].exec_run(["sh", "-c", ask])
            # 7: cannot connect, 28: no answer.
            assert result.exit_code in (7, 28), member
    finally:
        server.remove(force=True)


def test_only_routers_and_restores_publish_ports_on_the_address_of_the_stack_file(stack):
    published = {
        "router-1": {"5432/tcp", "5433/tcp", "6379/tcp"},
        "router-2": {"5432/tcp", "5433/tcp", "6379/tcp"},
        "side-1": {"5432/tcp"},
    }
    for name, container in stack.containers().items():
        bindings = container.attrs["HostConfig"]["PortBindings"] or {}
        if name in published:
            assert set(bindings) == published[name]
            assert {b["HostIp"] for each in bindings.values() for b in each} == {"127.0.0.1"}
        else:
            assert bindings == {}
            assert not any((container.attrs["NetworkSettings"]["Ports"] or {}).values())


def test_containers_run_without_root_rights_capabilities_or_a_writable_root(stack):
    for name, container in stack.containers().items():
        host = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"] == "10001:10001", name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert not host["Privileged"], name
        assert host["Memory"] > 0, name
        if container.labels["io.selfmonitor.role"] == "server":
            assert host["ReadonlyRootfs"], name
            shown = container.exec_run(["grep", "CapEff", "/proc/1/status"]).output.decode()
            assert int(shown.split()[1], 16) == 0, name


def test_secret_files_are_readable_by_their_user_alone_and_cannot_be_changed(stack):
    member = stack.containers("server")["postgres-1"]
    listing = member.exec_run(["stat", "-c", "%a %u %n", "/etc/selfmonitor/passwords.yml"])
    assert listing.output.decode().split()[:2] == ["400", "10001"]
    touched = member.exec_run(["sh", "-c", "touch /etc/selfmonitor/new"])
    assert touched.exit_code != 0
    assert stack.state_file.stat().st_mode & 0o777 == 0o600


def test_no_secret_is_in_an_argument_a_label_an_environment_or_a_log(stack):
    import json

    seen = [stack.ok("status")]
    for service in ("postgres", "redis"):
        seen += [stack.ok("connection", service, "-o", form) for form in ("uri", "env", "json")]
    for container in stack.containers().values():
        seen.append(json.dumps(container.attrs))
        seen.append(container.logs().decode(errors="replace"))
        if container.status == "running":
            seen.append(json.dumps(container.top()["Processes"]))
    for network in stack.client.networks.list(names=[f"selfmonitor-{stack.name}"]):
        seen.append(json.dumps(network.attrs))
    text = "\n".join(seen)
    secrets = stack.secrets()
    assert len(secrets) > 10
    assert stack.outputs()["redis_password"] in secrets
    assert [secret for secret in secrets if secret in text] == []
    revealed = stack.ok("connection", "--reveal")
    assert stack.outputs()["postgres_passwords"]["user"] in revealed
    assert stack.outputs()["redis_password"] in stack.ok("connection", "redis", "--reveal")
