"""What Redis and the Sentinels must refuse, each beside a control that gets in."""

import pytest
import redis
from redis.exceptions import NoPermissionError

FILES = "/files"
CANARY = "systest:canary"
WAYS = pytest.mark.parametrize(
    "way", [None, "redis-1", "sentinel-1"], ids=["router", "member", "sentinel"]
)
SERVERS = pytest.mark.parametrize(("server", "port"), [("redis-1", 6379), ("sentinel-1", 26379)])

# What would harm others or the server itself, in forms that do little where they are not refused.
APPLICATION_DENIED = (
    *("FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "KEYS *", "RESTORE key 0 x", "MIGRATE h 1 key 0 1"),
    *("CONFIG GET *", "CONFIG SET maxmemory 0", "CONFIG REWRITE", "DEBUG SLEEP 0", "MONITOR"),
    *("SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE", "SHUTDOWN ABORT", "MODULE LIST"),
    *("ACL LIST", "ACL SETUSER intruder on nopass +@all", "ACL LOAD"),
    *("REPLICAOF NO ONE", "SLAVEOF NO ONE", "FAILOVER ABORT", "SYNC", "PSYNC ? -1", "ROLE"),
    *("CLIENT LIST", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "CLUSTER INFO", "SLOWLOG GET"),
)
# Redis itself switches DEBUG off before it looks at who asks.
DENIED = "has no permissions to run|DEBUG command not allowed"

# Of the stack's own users: what each is there for, and what it alone might come near to. The rest
# is for none of them.
OWN_USERS = {
    "monitor": (("INFO server", "DBSIZE", "ROLE"), ("LATENCY RESET", "SLOWLOG RESET")),
    "backup": (
        ("INFO server", "LASTSAVE", "SET selfmonitor:canary x"),
        ("SAVE", "DBSIZE", "RANDOMKEY", "GET selfmonitor:canary", "SET selfmonitor:canary x GET"),
    ),
    "restore": (
        ("INFO server", "GET selfmonitor:restored"),
        ("DBSIZE", "RANDOMKEY", f"DUMP {CANARY}", "FUNCTION LIST", "REPLICAOF NO ONE"),
    ),
    "router": (("PING", "INFO replication"), ("ROLE", "DBSIZE", "LASTSAVE", "CLIENT LIST")),
    "keeper": (("PING", "INFO replication"), ("CONFIG REWRITE", "CLIENT LIST", "ACL SETUSER x")),
    "sentinel": (("PING", "ROLE"), ("CONFIG SET maxmemory 0", "PUBLISH news x")),
    "replication": (("PING",), ("INFO server", "ROLE")),
}
OWN_DENIED = (
    *(f"GET {CANARY}", f"SET {CANARY} 2", f"DEL {CANARY}", "FLUSHALL", "SCAN 0", "KEYS *"),
    *("EVAL return(1) 0", "CONFIG GET *", "ACL LIST", "MODULE LIST", "SHUTDOWN ABORT"),
    "SUBSCRIBE news",
)

ASK = "SENTINEL GET-MASTER-ADDR-BY-NAME main"
SENTINEL_USERS = {
    "application": ((ASK, "SENTINEL SENTINELS main"), ("SENTINEL FAILOVER none", "INFO server")),
    "events": ((ASK, "SENTINEL MASTER main"), ("SENTINEL FAILOVER none", "INFO server")),
    "keeper": ((ASK, "INFO server"), ("SUBSCRIBE +switch-master",)),
    "sentinel": (("PING",), (ASK, "SENTINEL FAILOVER none", "PUBLISH +switch-master x")),
}
SENTINEL_DENIED = (
    *("SENTINEL SET none quorum 1", "SENTINEL RESET none", "SENTINEL REMOVE none"),
    *("SENTINEL MONITOR none 127.0.0.1 1 0", "SENTINEL CONFIG GET *", "SENTINEL FLUSHCONFIG"),
    *("SENTINEL SIMULATE-FAILURE HELP", "SHUTDOWN ABORT", "ACL LIST", "PUBLISH news x"),
)


def refused_for_its_password():
    return pytest.raises(redis.AuthenticationError, match="invalid username-password")


@pytest.fixture(autouse=True)
def answering(stack):
    """Just after a change of primary the router would refuse everybody."""
    assert stack.writes_to_redis()


@pytest.fixture
def application(stack):
    """The application's client, through the router, with a key in place."""
    with stack.redis() as client:
        client.set(CANARY, "1")
        yield client
        client.delete(CANARY)


@WAYS
def test_a_client_without_tls_is_refused(stack, way):
    with stack.redis(way) as client:
        assert client.ping()
    plain = stack.redis(way, ssl=False, username=None, password=None)
    with plain as client, pytest.raises(redis.ConnectionError, match=r"(?i)closed|reset"):
        client.ping()


@WAYS
def test_a_wrong_password_is_refused(stack, way):
    with stack.redis(way) as client:
        assert client.ping()
    with stack.redis(way, password="wrong-password") as client, refused_for_its_password():
        client.ping()


@WAYS
def test_the_default_user_is_nobody(stack, way):
    password = stack.outputs()["redis_password"]
    with stack.redis(way, username=None, password=None) as client:
        for command in ("PING", "INFO", "ROLE", "ACL WHOAMI"):
            with pytest.raises(redis.AuthenticationError, match="Authentication required"):
                client.execute_command(*command.split())
        # With one argument the password is the default user's.
        for words in (("default", ""), ("default", password), (password,)):
            with refused_for_its_password():
                client.execute_command("AUTH", *words)
        assert client.execute_command("AUTH", "application", password)
        assert client.ping()


@WAYS
def test_a_client_that_trusts_another_authority_turns_away(stack, way, strangers_authority):
    careful = stack.redis(way, ssl_ca_certs=strangers_authority)
    with careful as client, pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        client.ping()


@SERVERS
def test_inside_the_segment_a_certificate_of_the_main_authority_is_wanted(stack, server, port):
    password = stack.outputs()["redis_password"]
    address = stack.address(server, "cache")

    def ping(certificate):
        # The probe is the test's own container: its environment is nobody's listing.
        command = f"REDISCLI_AUTH={password} timeout 10 redis-cli --no-auth-warning"
        command += f" --user application -h {address} -p {port} --tls --cacert {FILES}/ca.crt"
        return stack.probe(
            f"{command} {certificate} PING",
            network=f"selfmonitor-{stack.name}-cache",
            # It holds certificates of both of the stack's authorities.
            volumes=[f"selfmonitor-{stack.name}-postgres-1-files"],
            image_of="redis-1",
        )

    assert ping(f"--cert {FILES}/tls.crt --key {FILES}/tls.key") == (0, "PONG\n")
    other = f"--cert {FILES}/consensus-tls.crt --key {FILES}/consensus-tls.key"
    for certificate in ("", other):
        status, output = ping(certificate)
        assert status != 0
        assert "PONG" not in output


@pytest.mark.parametrize("segment", ["access", "data", None])
def test_a_container_outside_the_segment_reaches_no_redis_and_no_sentinel(stack, segment):
    targets = [(stack.address(f"redis-{number}", "cache"), 6379) for number in (1, 2, 3)]
    targets += [(stack.address(f"sentinel-{number}", "cache"), 26379) for number in (1, 2, 3)]
    with stack.network("cache") as inside:
        assert stack.reach(inside, targets) == ["open"] * 6
    with stack.network(segment) as outside:
        assert stack.reach(outside, targets) == ["closed"] * 6


@pytest.mark.parametrize("command", APPLICATION_DENIED)
def test_the_application_may_not_do_harm(application, command):
    with pytest.raises(redis.ResponseError, match=DENIED):
        application.execute_command(*command.split())
    assert application.get(CANARY) == "1"


def test_a_script_may_do_no_more_than_who_runs_it(application):
    assert application.eval(f"return redis.call('GET', '{CANARY}')", 0) == "1"
    for call in ("call", "pcall"):
        with pytest.raises(redis.ResponseError, match=r"can't run|permission"):
            application.eval(f"return redis.{call}('FLUSHALL')", 0)
    assert application.get(CANARY) == "1"


@pytest.mark.parametrize("user", OWN_USERS)
def test_the_stacks_own_users_touch_neither_data_nor_settings(application, stack, user):
    allowed, denied = OWN_USERS[user]
    # Where a write that was let through would be done.
    primary = stack.status()["redis"]["leader"]
    password = stack.password(f"redis-password-{user}")
    with stack.redis(primary, username=user, password=password) as client:
        for command in allowed:
            client.execute_command(*command.split())
        for command in (*denied, *OWN_DENIED):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())
    assert application.get(CANARY) == "1"


@pytest.mark.parametrize("user", SENTINEL_USERS)
def test_nobody_changes_what_the_sentinels_watch(stack, user):
    allowed, denied = SENTINEL_USERS[user]
    password = stack.password(f"redis-password-{user}")
    with stack.redis("sentinel-1", username=user, password=password) as client:
        for command in allowed:
            client.execute_command(*command.split())
        for command in (*denied, *SENTINEL_DENIED):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())


@pytest.mark.parametrize("user", ["replication", "router", "monitor", "backup", "restore"])
def test_users_of_redis_alone_are_unknown_to_the_sentinels(stack, user):
    password = stack.password(f"redis-password-{user}")
    with stack.redis("redis-1", username=user, password=password) as client:
        assert client.ping()
    elsewhere = stack.redis("sentinel-1", username=user, password=password)
    with elsewhere as client, refused_for_its_password():
        client.ping()
