"""Sets in Redis as the drill's store, written to on both ways in that applications have.

A client's rows are the members of one set. A set of all these sets' names is kept as well, so
that they are found again without looking through everybody's keys. A name goes in on the same
connection as the rows that follow, so no primary can have the rows and lack the name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from cli.drill.journal import ClientError
from cli.drill.store import StoreError, Way
from cli.drill.target import RedisAccess
from cli.redis_client import through_router

ROUTER, SENTINEL = "router", "sentinel"
KEYS = "selfmonitor_drill"

CONNECT_SECONDS = 0.5
"""A dead member's address does not answer: who waits for it for long misses its successor."""
ANSWER_SECONDS = 2.0
WAIT_MILLISECONDS = 1000
"""How long replicas may take to confirm a row; less than ANSWER_SECONDS."""
KEYS_AT_ONCE = 100

REFUSALS = frozenset(
    {
        "READONLY",
        "NOREPLICAS",
        "LOADING",
        "MASTERDOWN",
        "NOAUTH",
        "WRONGPASS",
        "NOPERM",
        "OOM",
        "MISCONF",
    }
)
"""Redis says these before it does anything."""

UNCONFIRMED = ClientError("Unconfirmed", None, "fewer replicas than asked for have the row")

Opener = Callable[[], Redis]
"""A client that connects when first used, always to whoever is primary then."""


def openers(access: RedisAccess) -> Mapping[str, Callable[[], Opener]]:
    """By path, what makes an Opener for one client; it is not for several threads.

    Without Sentinels that can be reached, there is one path.
    """
    common: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        # An error that is tried again in silence is one that is not counted.
        "retry": Retry(NoBackoff(), 0),
        # No handshake but the password: fewer round trips, and no right needed for them.
        "protocol": 2,
        "driver_info": None,
        "ssl_check_hostname": True,
    }
    own: dict[str, Any] = {
        "username": access.username,
        "password": access.password,
        "ssl": True,
        "ssl_ca_certs": access.ca_file,
        "ssl_certfile": access.certificate_file,
        "ssl_keyfile": access.key_file,
    }

    def by_router() -> Opener:
        return partial(through_router, access, access.ports[0], **common)

    def by_sentinels() -> Opener:
        # Kept from one connection to the next: it remembers which Sentinel answered last.
        sentinel = Sentinel(
            list(access.sentinels), sentinel_kwargs={**common, **own}, **common, **own
        )
        return partial(sentinel.master_for, access.service)

    if not access.sentinels:
        return {ROUTER: by_router}
    return {ROUTER: by_router, SENTINEL: by_sentinels}


class RedisStore:
    """Sets under names that begin with KEYS, gone when the drill ends. See Store.

    `openers`: as the function of that name gives them. `wait`: how many replicas must confirm a
    row for it to count as acknowledged.
    """

    name = f"the keys {KEYS} and {KEYS}:*"

    def __init__(self, openers: Mapping[str, Callable[[], Opener]], wait: int) -> None:
        self._openers = openers
        self._wait = wait

    def ways(self, run: str, clients: int) -> list[Way]:
        """The clients take the paths in turn. Raises ValueError with fewer clients than paths."""
        if clients < len(self._openers):
            raise ValueError(f"{clients} clients cannot take {len(self._openers)} paths")
        paths = list(self._openers)
        ways = []
        for client in range(clients):
            path = paths[client % len(paths)]
            opener = self._openers[path]()
            ways.append(
                Way(path, partial(RedisSession, opener, f"{KEYS}:{run}:{client}", self._wait))
            )
        return ways

    def create(self) -> None:
        """Tries every path, and takes away what a killed drill left."""
        for make_opener in self._openers.values():
            with _translated(), _connected(make_opener()) as client:
                _drop(client)

    def drop(self) -> None:
        with _translated(), self._reading() as client:
            _drop(client)

    def rows(self, run: str) -> list[tuple[int, int]]:
        beginning = f"{KEYS}:{run}:"
        with _translated(), self._reading() as client:
            return [
                (int(key.removeprefix(beginning)), int(seq))
                for key in _keys(client)
                if key.startswith(beginning)
                for seq in _members(client, key)
            ]

    @contextmanager
    def _reading(self) -> Iterator[Redis]:
        with _connected(self._openers[ROUTER]()) as client:
            yield client


class RedisSession:
    """A connection that adds the rows of one client to its set. See Session."""

    def __init__(self, opener: Opener, key: str, wait: int) -> None:
        self._key = key
        self._wait = wait
        self._open = ExitStack()
        with _translated(), ExitStack() as opening:
            self._client = opening.enter_context(_connected(opener))
            self._client.sadd(KEYS, key)
            self._open = opening.pop_all()

    def insert(self, seq: int) -> ClientError | None:
        with _translated():
            self._client.sadd(self._key, seq)
        if not self._wait:
            return None
        with _translated(refusals=frozenset()):  # the row is there by now, whatever comes
            confirmed = self._client.execute_command("WAIT", self._wait, WAIT_MILLISECONDS)
        return None if confirmed >= self._wait else UNCONFIRMED

    def cancel(self, seconds: float) -> None:
        """Nothing to do: no answer is waited for longer than ANSWER_SECONDS."""

    def cut(self) -> None:
        """Nothing to do, as in `cancel`."""

    def close(self) -> None:
        with suppress(RedisError, OSError):
            self._open.close()


@contextmanager
def _connected(opener: Opener) -> Iterator[Redis]:
    """A client with one connection that is made now and not again: that a new one is needed is
    for the caller to see.
    """
    owner = opener()
    try:
        client = owner.client()
        try:
            yield client
        finally:
            client.close()
    finally:
        owner.close()


@contextmanager
def _translated(refusals: frozenset[str] = REFUSALS) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        seen: BaseException = error
        if isinstance(error.__context__, ReadOnlyError):
            # What the Sentinel client makes of it says neither that it was an answer nor which.
            seen = error.__context__
        code = _code(seen)
        message = str(seen)
        if isinstance(seen, MasterNotFoundError):
            # What follows describes the client's own objects, and not what was wrong.
            message = message.partition(" : ")[0]
        raise StoreError(type(seen).__name__, code, message, refused=code in refusals) from error


def _code(error: BaseException) -> str | None:
    """The first word of Redis's error reply; None if the error is the client's own."""
    known: str | None = getattr(error, "status_code", None)
    if known is None and isinstance(error, ResponseError):
        first = str(error).partition(" ")[0]
        return first if first.isupper() else None
    return known


def _keys(client: Redis) -> list[str]:
    return sorted(_members(client, KEYS))


def _members(client: Redis, key: str) -> list[str]:
    members: Iterable[bytes] = client.execute_command("SMEMBERS", key)
    return [member.decode() for member in members]


def _drop(client: Redis) -> None:
    keys = _keys(client)
    for first in range(0, len(keys), KEYS_AT_ONCE):
        client.unlink(*keys[first : first + KEYS_AT_ONCE])
    client.unlink(KEYS)
