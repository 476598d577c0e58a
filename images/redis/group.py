"""The replication group as its own programs see it: who is in it, and who its primary is.

group.json beside the certificates names the members: {"service": str, "port": int,
"sentinel_port": int, "quorum": int, "members": {name: address}, "sentinels": {name: address}}.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

DIRECTORY = "/etc/selfmonitor"
USER = "keeper"
# Who does not answer in this time does not answer: everything here is near.
ANSWER_SECONDS = 1.0


def connect(address, port, seconds=ANSWER_SECONDS):
    """A client that verifies the other end, shows its own certificate and never tries twice."""
    with open(os.path.join(DIRECTORY, "keeper.password"), encoding="utf-8") as file:
        password = file.read()
    return redis.Redis(
        host=address,
        port=port,
        username=USER,
        password=password,
        ssl=True,
        ssl_ca_certs=os.path.join(DIRECTORY, "ca.crt"),
        ssl_certfile=os.path.join(DIRECTORY, "tls.crt"),
        ssl_keyfile=os.path.join(DIRECTORY, "tls.key"),
        ssl_check_hostname=True,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class Group:
    """Asks the Sentinels and the members; `name` is this replica's own."""

    def __init__(self, configuration, name, connect=connect):
        self.name = name
        self.service = configuration["service"]
        self.port = configuration["port"]
        self.sentinel_port = configuration["sentinel_port"]
        self.quorum = configuration["quorum"]
        self.members = configuration["members"]
        self.sentinels = configuration["sentinels"]
        self._connect = connect

    @classmethod
    def load(cls):
        """From group.json; the name is in the environment."""
        with open(os.path.join(DIRECTORY, "group.json"), encoding="utf-8") as file:
            return cls(json.load(file), os.environ["MEMBER"])

    @property
    def address(self):
        """This replica's own."""
        return {**self.members, **self.sentinels}[self.name]

    def member(self, name):
        """A client of a Redis member; of its own over the loopback, which no cut takes away."""
        address = "127.0.0.1" if name == self.name else self.members[name]
        return self._connect(address, self.port)

    def sentinel(self, name):
        """A client of a Sentinel."""
        address = "127.0.0.1" if name == self.name else self.sentinels[name]
        return self._connect(address, self.sentinel_port)

    def name_of(self, address):
        """The member at an address, or None."""
        return next((n for n, each in self.members.items() if each == address), None)

    def _ask_all(self, names, ask):
        """{name: answer}, all asked at once; who does not answer is left out."""

        def one(name):
            try:
                return name, ask(name)
            except (redis.RedisError, OSError, ValueError):
                return name, None

        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            return {name: found for name, found in pool.map(one, names) if found is not None}

    def primary_by_sentinels(self):
        """The member that a majority of all Sentinels names as primary, or None.

        Of all there are, not of those that answer: a minority may be what an old view is left in.
        """

        def ask(name):
            with self.sentinel(name) as client:
                found = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
            return self.name_of(found[0]) if found else None

        answers = list(self._ask_all(list(self.sentinels), ask).values())
        for name in set(answers):
            if 2 * answers.count(name) > len(self.sentinels):
                return name
        return None

    def replication(self, names=None):
        """{name: INFO replication} of the members that answer."""

        def ask(name):
            with self.member(name) as client:
                return client.info("replication")

        return self._ask_all(list(names or self.members), ask)

    def with_data(self, names):
        """Those of the members that answer and have keys."""

        def ask(name):
            with self.member(name) as client:
                return client.info("keyspace")

        return [name for name, found in self._ask_all(list(names), ask).items() if found]

    def others(self):
        """All members but this one."""
        return [name for name in self.members if name != self.name]

    def primary_by_members(self):
        """The member that says it is the primary and has a replica, or None."""
        for name, info in self.replication().items():
            if info["role"] == "master" and info.get("connected_slaves"):
                return name
        return None

    def is_heir(self, info):
        """Whether who says this follows this member, was in step with it, and may be promoted."""
        return (
            info["role"] == "slave"
            and info.get("master_host") == self.address
            and bool(info.get("slave_priority"))
        )

    def promotable_after(self):
        """How long a replica may have been without its primary and still be promoted, seconds.

        Sentinel's own rule: ten times down-after, before it took the primary for dead. The most
        that any Sentinel allows; infinite when none answers.
        """

        def ask(name):
            with self.sentinel(name) as client:
                state = client.sentinel_master(self.service)
            return 10 * int(state["down-after-milliseconds"]) + int(state.get("s-down-time", 0))

        limits = self._ask_all(list(self.sentinels), ask).values()
        return max(limits) / 1000 if limits else float("inf")


def wait_until(condition, seconds, pause=0.02):
    """The first true value of condition(), or the last false one when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return found
