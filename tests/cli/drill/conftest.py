"""A cluster that is not there: a table in memory behind connections that fail as real ones."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from cli.drill import postgres_faults, postgres_store, store, writer
from cli.drill.run import Timing
from cli.drill.service import Service
from cli.drill.store import StoreError, Way

FAST = Timing(
    healthy_limit=5.0,
    first_answer_limit=5.0,
    steady=0.05,
    poll=0.01,
    recovery_limit=5.0,
    settle=0.03,
    read_back_limit=0.05,
    first_write_limit=0.05,
)


@dataclass(frozen=True)
class FakeMember:
    name: str
    role: str
    state: str
    timeline: int | None = 1


@dataclass(frozen=True)
class FakeStatus:
    leader: str | None
    members: tuple[FakeMember, ...]
    healthy: bool


class FakeDatabase:
    """Rows in memory. What happens to an INSERT is up to `on_insert`, called with the
    connection; it may raise, block, or give notices, before the row is there."""

    def __init__(self) -> None:
        self.rows: set[tuple[str, int, int]] = set()
        self.exists = False
        self.on_insert: Callable[[FakeConnection], None] = lambda connection: None
        self.on_connect: Callable[[], None] = lambda: None
        self.on_select: Callable[[], None] = lambda: None
        self.forget: Callable[[tuple[str, int, int]], bool] = lambda row: False
        self.lock = threading.Lock()

    def connect(self) -> "FakeConnection":
        self.on_connect()
        return FakeConnection(self)


class FakeConnection:
    """Has a real socket, so that cutting it from another thread can be seen to work."""

    def __init__(self, database: FakeDatabase) -> None:
        self.database = database
        self.mine, self.theirs = socket.socketpair()
        self.handlers: list[Callable[[Any], None]] = []
        self.cancelled = threading.Event()
        self.closed = False

    def execute(self, query: str, params: Any = None, /) -> Any:
        if query == postgres_store.INSERT:
            self.database.on_insert(self)
            run, client, seq = params
            with self.database.lock:
                assert (run, client, seq) not in self.database.rows, "a number was used twice"
                self.database.rows.add((run, client, seq))
        elif query == postgres_store.CREATE:
            self.database.exists = True
        elif query == postgres_store.DROP:
            self.database.exists = False
        elif query == postgres_store.SELECT:
            self.database.on_select()
            with self.database.lock:
                kept = [r for r in self.database.rows if not self.database.forget(r)]
            found = [(client, seq) for run, client, seq in kept if run == params[0]]
            return SimpleNamespace(fetchall=lambda: found)
        return None

    def notify(self, sqlstate: str, message: str) -> None:
        """Gives the handlers a notice that is empty afterwards, as libpq's are."""
        notice = SimpleNamespace(sqlstate=sqlstate, message_primary=message)
        for handler in self.handlers:
            handler(notice)
        notice.sqlstate = notice.message_primary = None

    def hang(self) -> None:
        """Waits for an answer that never comes; raises as psycopg does once the socket is cut."""
        self.mine.recv(1)
        raise psycopg.OperationalError("server closed the connection unexpectedly\nand more")

    def add_notice_handler(self, callback: Callable[[Any], None]) -> None:
        self.handlers.append(callback)

    def cancel_safe(self, *, timeout: float = 30.0) -> None:
        self.cancelled.set()

    def fileno(self) -> int:
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        return self.mine.fileno()

    def close(self) -> None:
        self.closed = True
        self.mine.close()
        self.theirs.close()


@dataclass
class FakeCluster:
    """Three members. Without a running, unpaused, connected primary, writing fails; a standby
    takes over `failover_seconds` later, if there are enough Sentinels. Without any standby,
    PostgreSQL's commits wait."""

    database: FakeDatabase
    workload: str = "postgres"
    stack: str = "local"
    failover_seconds: float = 0.05
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail_on: dict[tuple[str, str], Exception] = field(default_factory=dict)
    leader: str = ""
    down: set[str] = field(default_factory=set)
    leaderless_since: float | None = None
    acknowledges_alone: bool = False

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    never_recovers: bool = False
    fails_over_without_quorum: bool = False
    # Workloads that this platform has no need of.
    without: frozenset[str] = frozenset()
    inside: "FakeInsideWriter | None" = None

    def __post_init__(self) -> None:
        self.database.on_insert = self._insert
        self.leader = self.leader or f"{self.workload}-1"

    def _insert(self, connection: FakeConnection) -> None:
        self._elect()
        if self.leader in self.down:
            raise psycopg.OperationalError("server conn crashed?")
        while not self.acknowledges_alone and not self._standbys():
            time.sleep(0.002)
            if connection.cancelled.is_set():
                connection.notify("01000", "canceling wait for synchronous replication")
                return

    def _standbys(self) -> list[str]:
        return [m for m in self.members(self.workload) if m != self.leader and m not in self.down]

    def _quorum(self) -> bool:
        present = [m for m in self.members("sentinel") if m not in self.down]
        return len(present) >= 2 or self.fails_over_without_quorum

    def _elect(self) -> None:
        if self.leader not in self.down:
            self.leaderless_since = None
            return
        since = self.leaderless_since = self.leaderless_since or time.monotonic()
        if (
            not self.never_recovers
            and self._quorum()
            and time.monotonic() - since >= self.failover_seconds
        ):
            for standby in self._standbys()[:1]:
                self.leader = standby
                self.leaderless_since = None

    def _did(self, what: str, member: str) -> None:
        self.calls.append((what, member))
        if (what, member) in self.fail_on:
            raise self.fail_on[what, member]

    def answer(self) -> None:
        """Raises StoreError while there is no primary, as Redis's clients see it."""
        self._elect()
        if self.leader in self.down:
            raise StoreError("ConnectionError", None, "Connection closed by server.")

    def status(self) -> FakeStatus:
        self._elect()
        members = tuple(
            FakeMember(
                name,
                "primary" if name == self.leader else "standby",
                "unreachable" if name in self.down else "running",
            )
            for name in self.members(self.workload)
        )
        broken = self.down & {*self.members(self.workload), *self.members("sentinel")}
        leader = None if self.leader in self.down else self.leader
        return FakeStatus(leader, members, healthy=leader is not None and not broken)

    def members(self, workload: str) -> list[str]:
        there = {"postgres": 3, "etcd": 3, "router": 2, "redis": 3, "sentinel": 3, "vault": 1}
        count = 0 if workload in self.without else there[workload]
        return [f"{workload}-{number}" for number in range(1, count + 1)]

    def postgres_status(self) -> FakeStatus:
        return self.status()

    def conninfo(self, database: str | None = None, *, read_only: bool = False) -> dict[str, str]:
        return {"host": "127.0.0.1", "port": "5432"}

    def switchover(self, to: str | None = None) -> str:
        self._did("switchover", "")
        self.leader = to or self._standbys()[0]
        return self.leader

    def write_inside(self, member: str, seconds: float) -> "FakeInsideWriter":
        self._did("write_inside", member)
        self.inside = FakeInsideWriter()
        return self.inside

    def kill_process(self, member: str) -> None:
        self._did("kill_process", member)
        self.down.add(member)
        threading.Timer(0.05, self.down.discard, (member,)).start()

    def restart(self, member: str) -> None:
        self._did("restart", member)

    def kill(self, member: str) -> None:
        self._did("kill", member)
        self.down.add(member)

    def pause(self, member: str) -> None:
        self._did("pause", member)
        self.down.add(member)

    def disconnect(self, member: str) -> None:
        self._did("disconnect", member)
        self.down.add(member)

    def start(self, member: str) -> None:
        self._did("start", member)
        self.down.discard(member)

    def unpause(self, member: str) -> None:
        self._did("unpause", member)
        self.down.discard(member)

    def reconnect(self, member: str) -> None:
        self._did("reconnect", member)
        self.down.discard(member)

    def cut_consensus(self) -> None:
        self._did("cut_consensus", "")

    def mend_consensus(self) -> None:
        self._did("mend_consensus", "")


class FakeInsideWriter:
    """Was accepted once as it began, and 0.05 s later for the last time."""

    def __init__(self) -> None:
        self.began = time.time()
        self.closed = False

    def result(self) -> list[float]:
        assert not self.closed
        return [self.began, self.began + 0.05]

    def close(self) -> None:
        self.closed = True


class FakeRedis:
    """A store with two ways in: rows in memory while the cluster has a primary."""

    name = "the keys in memory"

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.rows_kept: set[tuple[str, int, int]] = set()
        self.forget: Callable[[tuple[str, int, int]], bool] = lambda row: False
        self.silent_path: str | None = None
        self.dropped = False

    def ways(self, run: str, clients: int) -> list[Way]:
        paths = ["router", "sentinel"]
        return [
            Way(paths[n % 2], lambda n=n: FakeRedisSession(self, paths[n % 2], run, n))
            for n in range(clients)
        ]

    def create(self) -> None:
        self.cluster.answer()

    def drop(self) -> None:
        self.dropped = True

    def rows(self, run: str) -> list[tuple[int, int]]:
        kept = [row for row in self.rows_kept if row[0] == run and not self.forget(row)]
        return [(client, seq) for _, client, seq in kept]


@dataclass
class FakeRedisSession:
    store: FakeRedis
    path: str
    run: str
    client: int

    def insert(self, seq: int) -> None:
        self.store.cluster.answer()
        if self.path == self.store.silent_path:
            raise StoreError("TimeoutError", None, "Timeout reading from 10.0.0.1:6379")
        self.store.rows_kept.add((self.run, self.client, seq))

    def cancel(self, seconds: float) -> None: ...
    def cut(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def cluster(database: FakeDatabase) -> FakeCluster:
    return FakeCluster(database)


@pytest.fixture
def postgres(cluster: FakeCluster, database: FakeDatabase) -> Service:
    return Service(
        name="postgres",
        cluster=cluster,
        workload="postgres",
        # Looked up at each call: tests replace them.
        status=lambda: cluster.postgres_status(),
        switchover=lambda: cluster.switchover(),
        store=postgres_store.PostgresStore(database.connect),
        keeps_acknowledged=True,
    )


@pytest.fixture
def redis_cluster() -> FakeCluster:
    return FakeCluster(FakeDatabase(), workload="redis", acknowledges_alone=True)


@pytest.fixture
def redis(redis_cluster: FakeCluster) -> Service:
    return Service(
        name="redis",
        cluster=redis_cluster,
        workload="redis",
        status=redis_cluster.status,
        switchover=redis_cluster.switchover,
        store=FakeRedis(redis_cluster),
        keeps_acknowledged=False,
    )


@pytest.fixture
def timing() -> Timing:
    return FAST


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, short enough for unit tests."""
    monkeypatch.setattr(writer, "PACE_SECONDS", 0.002)
    monkeypatch.setattr(writer, "FIRST_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(writer, "LAST_BACKOFF_SECONDS", 0.004)
    monkeypatch.setattr(writer, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(writer, "CANCEL_SECONDS", 0.1)
    monkeypatch.setattr(writer, "SHUT_SECONDS", 0.5)
    monkeypatch.setattr(store, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(postgres_faults, "BETWEEN_FAILURES_SECONDS", 0.02)


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fails the test if a writer outlives it."""
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("drill-writer")]
