"""Redis's own programs, and a replication group in memory that they ask and change."""

import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

IMAGE = Path(__file__).resolve().parents[3] / "images" / "redis"
FILES = {
    "group": "group.py",
    "handover": "handover.py",
    "member": "member",
    "sentinel": "sentinel",
}


@pytest.fixture(scope="session")
def programs(image_programs: Callable[..., Any]) -> Any:
    """group, handover, member, sentinel: as modules that import each other, as in the image."""
    return image_programs("redis", FILES)


def allowed(template: str) -> set[str]:
    """The commands that the keeper, as whom these programs come, is given."""
    (line,) = re.findall(r"^user keeper .*$", (IMAGE / template).read_text(), re.MULTILINE)
    return {word[1:] for word in line.split() if word[0] == "+"}


@dataclass
class Server:
    """A member or a Sentinel. A member follows `follows`, or nobody: then it is a primary.

    behind: looks at which it still says that it has not everything. down_since: seconds without
    its primary, where the link is down. names: whom a Sentinel takes for the primary.
    """

    name: str
    address: str
    port: int
    silent: bool = False
    fails: dict[str, list[Exception]] = field(default_factory=dict)
    follows: str | None = None
    link: bool = True
    down_since: int = 0
    priority: int = 100
    offset: int = 1000
    behind: int = 0
    history: str = "a" * 40
    history_before: str = "0" * 40
    names: str | None = None
    keys: int = 7


class Client(redis.Redis):
    """What redis-py makes of each call, answered here instead of over the network."""

    def __init__(self, world: "World", server: Server | None) -> None:
        super().__init__()
        self.world = world
        self.server = server

    def execute_command(self, *words: Any, **_: Any) -> Any:
        return self.world.answer(self.server, " ".join(map(str, words)).split(" "))


@dataclass
class World:
    """`log` has every command that was allowed and answered: (server, its words)."""

    servers: dict[str, Server]
    quorum: int = 2
    down_after_ms: int = 1000
    log: list[tuple[str, str]] = field(default_factory=list)
    # Sentinels see a priority only after so many looks at it.
    looks_until_known: int = 0
    promotes: bool = True
    on_failover: list[Callable[[], None]] = field(default_factory=list)

    @property
    def members(self) -> list[Server]:
        return [each for each in self.servers.values() if each.port == 6379]

    @property
    def sentinels(self) -> list[Server]:
        return [each for each in self.servers.values() if each.port == 26379]

    def configuration(self) -> dict[str, Any]:
        """group.json"""
        return {
            "service": "main",
            "port": 6379,
            "sentinel_port": 26379,
            "quorum": self.quorum,
            "members": {each.name: each.address for each in self.members},
            "sentinels": {each.name: each.address for each in self.sentinels},
        }

    def connect(self, me: str) -> Callable[..., Client]:
        """As the server `me` connects to an address."""

        def connect(address: str, port: int, seconds: float = 1.0) -> Client:
            for server in self.servers.values():
                own = address == "127.0.0.1" and server.name == me
                if (own or server.address == address) and server.port == port:
                    return Client(self, server)
            return Client(self, None)

        return connect

    def commands(self, *names: str) -> list[str]:
        """What those were told, or all, but for questions."""
        questions = ("INFO", "PING", "SENTINEL GET", "SENTINEL MASTER", "SENTINEL SLAVES")
        return [
            words
            for name, words in self.log
            if (not names or name in names) and not words.startswith(questions)
        ]

    def everybody_names(self, name: str | None) -> None:
        for each in self.sentinels:
            each.names = name

    def promote(self, name: str) -> None:
        """As Sentinel does; the others still follow the old one."""
        new = self.servers[name]
        new.follows = None
        new.history_before, new.history = new.history, "b" * 40

    # What a server answers.

    def answer(self, server: Server | None, words: list[str]) -> Any:
        if server is None or server.silent:
            raise redis.ConnectionError("no answer")
        text = " ".join(words)
        for prefix, errors in server.fails.items():
            if text.startswith(prefix) and errors:
                raise errors.pop(0)
        sentinel = server.port == 26379
        may = allowed("sentinel-users.acl.j2" if sentinel else "redis-users.acl.j2")
        whole = words[0].lower()
        if whole not in may and f"{whole}|{words[1].lower()}" not in may:
            raise redis.exceptions.NoPermissionError(f"keeper may not {text}")
        self.log.append((server.name, text))
        found: Any = getattr(self, f"_{'sentinel' if sentinel else 'redis'}")(server, words)
        return found

    def _redis(self, server: Server, words: list[str]) -> Any:
        if words == ["INFO", "keyspace"]:
            return {"db0": {"keys": server.keys}} if server.keys else {}
        if words[0] == "INFO":
            return self._info(server)
        if words[:2] == ["CONFIG", "SET"] and words[2] == "replica-priority":
            server.priority = int(words[3])
        if words[0] == "REPLICAOF":
            (primary,) = [each for each in self.members if each.address == words[1]]
            assert int(words[2]) == primary.port
            server.follows, server.link = primary.name, True
        return True

    def _info(self, server: Server) -> dict[str, Any]:
        histories = {
            "master_replid": server.history,
            "master_replid2": server.history_before,
            "master_repl_offset": server.offset,
        }
        if server.follows is not None:
            server.behind, behind = max(0, server.behind - 1), server.behind
            found = {
                "role": "slave",
                "master_host": self.servers[server.follows].address,
                "master_link_status": "up" if server.link else "down",
                "slave_repl_offset": server.offset - (10 if behind else 0),
                "slave_priority": server.priority,
                **histories,
            }
            return (
                found
                if server.link
                else {**found, "master_link_down_since_seconds": server.down_since}
            )
        replicas = [
            {"ip": each.address, "port": 6379, "state": "online"}
            for each in self.members
            if each.follows == server.name and each.link and not each.silent
        ]
        return {
            "role": "master",
            "connected_slaves": len(replicas),
            **{f"slave{number}": each for number, each in enumerate(replicas)},
            **histories,
        }

    def _sentinel(self, server: Server, words: list[str]) -> Any:
        if words[1] == "DEBUG":
            return True
        assert words[2] == "main"
        if words[1] == "GET-MASTER-ADDR-BY-NAME":
            known = self.servers.get(server.names or "")
            # The port is not asked for.
            return [known.address if known else server.names, "6379"] if server.names else None
        if words[1] == "MASTER":
            return {"down-after-milliseconds": self.down_after_ms}
        if words[1] == "SLAVES":
            self.looks_until_known -= 1
            known_yet = self.looks_until_known < 0
            return [
                {"ip": each.address, "slave-priority": each.priority if known_yet else 100}
                for each in self.members
                if each.follows is not None
            ]
        assert words[1] == "FAILOVER"
        for change in self.on_failover:
            change()
        if self.promotes:
            fit = [each for each in self.members if each.follows and each.link and each.priority]
            self.promote(min(fit, key=lambda each: (each.priority, each.name)).name)
        return True


@pytest.fixture
def world() -> World:
    """redis-1 is primary, the two others are in step with it, and all Sentinels agree."""
    return make_world()


def make_world(sentinels: int = 3) -> World:
    members = [Server(f"redis-{n}", f"10.87.1.{79 + n}", 6379) for n in (1, 2, 3)]
    for each in members[1:]:
        each.follows = "redis-1"
    watching = [
        Server(f"sentinel-{n}", f"10.87.1.{95 + n}", 26379, names="redis-1")
        for n in range(1, sentinels + 1)
    ]
    return World({each.name: each for each in (*members, *watching)}, sentinels // 2 + 1)


@pytest.fixture(scope="session")
def larger_world() -> Callable[[int], World]:
    """The same with that many Sentinels."""
    return make_world


@pytest.fixture
def group(programs: Any, world: World) -> Callable[[str], Any]:
    """The group as one of its servers sees it."""

    def found(name: str) -> Any:
        return programs.group.Group(world.configuration(), name, world.connect(name))

    return found


@dataclass
class Time:
    """Stands in for the module: who sleeps moves it on. Starts at no round figure."""

    seconds: float = 5000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def time(programs: Any, monkeypatch: pytest.MonkeyPatch) -> Time:
    """The programs' clock."""
    found = Time()
    for module in vars(programs).values():
        if hasattr(module, "time"):
            monkeypatch.setattr(module, "time", found)
    return found


class Process:
    """What Popen gives. Each look at it plays the next of its steps; after the last it goes on
    as it is. stubborn: only SIGKILL ends it.
    """

    def __init__(self, told: list[str], steps: list[Callable[["Process"], None]]) -> None:
        self.told = told
        self.steps = steps
        self.returncode: int | None = None
        self.stubborn = False

    def poll(self) -> int | None:
        if self.returncode is None and self.steps:
            self.steps.pop(0)(self)
        return self.returncode

    def end(self, status: int) -> None:
        self.returncode = status

    def send_signal(self, number: int) -> None:
        self.told.append(f"signal {int(number)}")
        if not self.stubborn:
            self.returncode = 0

    def terminate(self) -> None:
        self.send_signal(15)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            raise subprocess.TimeoutExpired("redis-server", timeout or 0)
        return self.returncode

    def kill(self) -> None:
        self.told.append("killed")
        self.returncode = -9


@dataclass
class Processes:
    """Those a program starts. plays: the steps of each, in order; told: all that was done."""

    plays: list[list[Callable[[Process], None]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    running: list[Process] = field(default_factory=list)
    handlers: dict[int, Callable[..., Any]] = field(default_factory=dict)

    def start(self, command: list[str]) -> Process:
        self.commands.append(command)
        self.told.append("started")
        process = Process(self.told, self.plays.pop(0))
        self.running.append(process)
        return process

    def signal(self, number: int) -> None:
        """As if the program under test received it."""
        self.handlers[number](number, None)


@pytest.fixture
def processes(programs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Processes:
    """In place of what the programs start and whom they listen to; their files are in tmp_path."""
    found = Processes()
    for module in (programs.member, programs.sentinel):
        monkeypatch.setattr(
            module,
            "subprocess",
            SimpleNamespace(Popen=found.start, TimeoutExpired=subprocess.TimeoutExpired),
        )
        monkeypatch.setattr(
            module,
            "signal",
            SimpleNamespace(
                **{n: getattr(signal, n) for n in ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD")},
                signal=lambda number, handler: found.handlers.update({number: handler}),
            ),
        )
        monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
        monkeypatch.setattr(module, "CONFIGURATION", str(tmp_path / "running.conf"))
    monkeypatch.setattr(programs.member, "LOG", str(tmp_path))
    monkeypatch.setattr(
        programs.member.write_configuration, "__defaults__", (str(tmp_path / "running.conf"),)
    )
    return found
