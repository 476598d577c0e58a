"""Redis members that go away and come back: who is primary then, and what they hold."""

import threading
import time

import pytest
import redis

KEYS = "systest:"
REDIS_MEMBERS = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
# Far above what anything here takes on an idle machine.
PATIENCE_SECONDS = 120
# Several of the Sentinels' attempts to promote somebody: they are 2 × failover_timeout_ms apart.
NOBODY_IS_PROMOTED_SECONDS = 15
# Several of a waiting member's questions.
NOBODY_STARTS_SECONDS = 3
PAUSE_SECONDS = 0.2
# More than the 32 MiB of replication a primary keeps for those who come back.
LONG_AWAY = {"number": 400, "size": 100 * 1024}
SHORTLY_AWAY = {"number": 5000, "size": 10}


def wait_for(condition, what):
    """The first true value; a member that does not answer yet has not done it yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if found := condition():
                return found
            last = "no"
        except redis.RedisError as error:
            last = error
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what} ({last})"
        time.sleep(PAUSE_SECONDS)


@pytest.fixture
def keys(stack):
    """What the test's keys begin with; they are gone afterwards."""
    yield KEYS
    assert stack.writes_to_redis()
    with stack.redis() as client:
        for key in client.scan_iter(match=f"{KEYS}*", count=1000):
            client.unlink(key)


@pytest.fixture
def breakable(stack, keys):
    """The stack, healthy before; woken up and healthy again afterwards."""
    assert stack.becomes_healthy(PATIENCE_SECONDS)
    assert stack.writes_to_redis()
    yield stack
    for name, container in stack.containers("server").items():
        if name in (*SENTINELS, *REDIS_MEMBERS) and container.status != "running":
            container.start()
    assert stack.becomes_healthy(PATIENCE_SECONDS)


def primary_and_replicas(stack):
    primary = wait_for(lambda: stack.status()["redis"]["leader"], "a member is primary")
    return primary, [name for name in REDIS_MEMBERS if name != primary]


def state_of(stack, member):
    (found,) = (m for m in stack.status()["redis"]["members"] if m["name"] == member)
    return found["state"]


def replication(stack, member):
    with stack.redis(member) as client:
        return client.info("replication")


def follows_nobody(stack, member):
    return replication(stack, member)["master_link_status"] == "down"


def values(keys, number, size):
    return {f"{keys}{each}": f"{each}:{'x' * size}" for each in range(number)}


def in_parts(written):
    names = list(written)
    return [names[first : first + 50] for first in range(0, len(names), 50)]


def write(stack, written):
    """Through the router; again what was refused for the moment."""
    with stack.redis() as client:
        for names in in_parts(written):
            part = {name: written[name] for name in names}
            wait_for(lambda part=part: client.mset(part), "a write is accepted")


def missing(stack, written, member=None):
    """Keys that a member, or the primary behind the router, does not have as they were written."""
    with stack.redis(member) as client:
        return [
            name
            for names in in_parts(written)
            for name, value in zip(names, client.mget(names), strict=True)
            if value != written[name]
        ]


class Writer(threading.Thread):
    """Adds one number after the other to a set, through the router."""

    def __init__(self, stack, key):
        super().__init__(daemon=True)
        self.acknowledged = []
        self._key = key
        self._client = stack.redis()
        self._finishing = threading.Event()

    def run(self):
        number = 0
        with self._client:
            while not self._finishing.wait(0.005):
                number += 1
                try:
                    self._client.sadd(self._key, number)
                except redis.RedisError:
                    continue
                self.acknowledged.append(number)

    def writes_on(self):
        """Waits for another hundred."""
        enough = len(self.acknowledged) + 100
        wait_for(lambda: len(self.acknowledged) >= enough, "writing goes on")

    def finish(self):
        self._finishing.set()
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive()


def test_both_routers_and_all_sentinels_lead_to_the_primary(stack):
    assert stack.becomes_healthy()
    primary, _ = primary_and_replicas(stack)
    address = stack.address(primary, "cache")
    for endpoint in stack.outputs()["redis_endpoints"]["read_write"]:
        with stack.redis(port=int(endpoint["port"])) as client:
            assert client.info("replication")["role"] == "master"
    for sentinel in SENTINELS:
        with stack.redis(sentinel) as client:
            found = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
            assert found == [address, "6379"]


def test_redis_cli_reaches_the_primary_or_the_member_named(stack, keys):
    assert stack.becomes_healthy()
    assert stack.writes_to_redis()
    _, (replica, _) = primary_and_replicas(stack)
    assert stack.ok("redis-cli", "SET", f"{keys}cli", "hello").strip() == "OK"
    assert stack.ok("redis-cli", "GET", f"{keys}cli").strip() == "hello"

    def read():
        return stack.ok("redis-cli", "--member", replica, "GET", f"{keys}cli").strip()

    wait_for(lambda: read() == "hello", f"{replica} has it")
    refused = stack.run("redis-cli", "--member", replica, "SET", f"{keys}cli", "bye")
    assert "READONLY" in refused.stdout
    for name, word in (("redis-9", "there are: "), ("postgres-1", "not in the segment cache")):
        refused = stack.run("redis-cli", "--member", name, "PING")
        assert refused.returncode == 2
        assert name in refused.stderr
        assert word in refused.stderr


@pytest.mark.parametrize("amount", [SHORTLY_AWAY, LONG_AWAY], ids=["little", "much"])
def test_a_replica_that_was_away_has_all_that_was_written_meanwhile(breakable, keys, amount):
    primary, (replica, _) = primary_and_replicas(breakable)
    written = values(keys, **amount)
    breakable.kill_at_once([replica])
    write(breakable, written)
    with breakable.redis(primary) as client:
        before = client.info("stats")["sync_full"]
    breakable.containers("server")[replica].start()
    wait_for(lambda: state_of(breakable, replica) == "in step", f"{replica} is in step")
    wait_for(lambda: not missing(breakable, written, replica), f"{replica} has all keys")
    if amount is LONG_AWAY:
        with breakable.redis(primary) as client:
            assert client.info("stats")["sync_full"] > before


def test_after_all_members_were_killed_the_primary_is_who_it_was(breakable, keys):
    primary, replicas = primary_and_replicas(breakable)
    written = values(keys, **SHORTLY_AWAY)
    write(breakable, written)
    breakable.kill_at_once(REDIS_MEMBERS)
    servers = breakable.containers("server")
    for replica in replicas:
        servers[replica].start()
    for replica in replicas:
        wait_for(lambda r=replica: follows_nobody(breakable, r), f"{replica} runs without primary")
    servers[primary].start()
    assert breakable.becomes_healthy(PATIENCE_SECONDS)
    assert primary_and_replicas(breakable)[0] == primary
    assert breakable.writes_to_redis()
    assert missing(breakable, written) == []


def test_members_that_were_killed_with_all_sentinels_wait_for_a_majority_of_them(breakable, keys):
    written = values(keys, **SHORTLY_AWAY)
    write(breakable, written)
    breakable.kill_at_once((*SENTINELS, *REDIS_MEMBERS))
    servers = breakable.containers("server")
    begun = int(time.time())
    for name in (*REDIS_MEMBERS, "sentinel-2"):
        servers[name].start()
    for name in REDIS_MEMBERS:
        wait_for(
            lambda n=name: b"waiting for a majority of the Sent" in servers[n].logs(since=begun),
            f"{name} waits",
        )
    with breakable.redis("sentinel-2") as sentinel:
        wait_for(sentinel.ping, "sentinel-2 answers")
    # One Sentinel of three must not be enough for anybody.
    deadline = time.monotonic() + NOBODY_STARTS_SECONDS
    while time.monotonic() < deadline:
        for name in REDIS_MEMBERS:
            with pytest.raises(redis.ConnectionError, match="refused"):
                replication(breakable, name)
        time.sleep(PAUSE_SECONDS)
    for name in ("sentinel-1", "sentinel-3"):
        servers[name].start()
    assert breakable.becomes_healthy(PATIENCE_SECONDS)
    assert breakable.writes_to_redis()
    assert missing(breakable, written) == []


def test_a_replica_that_missed_writes_is_not_promoted_even_if_it_is_alone(breakable, keys):
    primary, (stale, other) = primary_and_replicas(breakable)
    written = values(keys, **SHORTLY_AWAY)
    breakable.kill_at_once([stale])
    write(breakable, written)
    breakable.kill_at_once([primary, other])
    servers = breakable.containers("server")
    servers[stale].start()
    wait_for(lambda: replication(breakable, stale), f"{stale} answers")
    # The test's subject is that nothing happens, so this time has to pass.
    deadline = time.monotonic() + NOBODY_IS_PROMOTED_SECONDS
    while time.monotonic() < deadline:
        assert replication(breakable, stale)["role"] == "slave"
        time.sleep(PAUSE_SECONDS)
    with breakable.redis() as client, pytest.raises(redis.RedisError):
        client.set(f"{keys}refused", 1)
    for name in (other, primary):
        servers[name].start()
    assert breakable.becomes_healthy(PATIENCE_SECONDS)
    assert primary_and_replicas(breakable)[0] in (primary, other)
    assert breakable.writes_to_redis()
    assert missing(breakable, written) == []
    wait_for(lambda: not missing(breakable, written, stale), f"{stale} has all keys")


def test_a_primary_that_is_stopped_hands_over_first_and_nothing_is_lost(breakable, keys):
    primary, replicas = primary_and_replicas(breakable)
    container = breakable.containers("server")[primary]
    begun = int(time.time())
    writer = Writer(breakable, f"{keys}set")
    writer.start()
    try:
        writer.writes_on()
        container.stop()
        writer.writes_on()
    finally:
        writer.finish()
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    assert "handed over to" in container.logs(since=begun).decode(errors="replace")
    assert breakable.status()["redis"]["leader"] in replicas
    with breakable.redis() as client:
        held = {int(each) for each in client.smembers(f"{keys}set")}
    assert [each for each in writer.acknowledged if each not in held] == []
