"""The Redis half of a running stack: how it is, and how to reach or break it."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.containers import CannotBeAsked, Container, execute
from cli.errors import OperationFailed, UserError
from cli.project import Project

PORT = 6379
SENTINEL_PORT = 26379
SERVICE = "main"
USER = "application"

SWITCHOVER_SECONDS = 60
# A Python program and a TLS connection, on a machine that is busy with a drill.
INSIDE_WRITER_STARTS_SECONDS = 15.0


@dataclass(frozen=True)
class RedisMember:
    """One member, by its own word.

    role: primary, replica or unknown. state: running (the primary), in step, syncing, link down;
    a second primary is "not the primary" to the Sentinels; or why there is no answer. lag_bytes:
    of the replication stream it has not received. persistence: ok, or what fails.
    """

    name: str
    role: str
    state: str
    lag_bytes: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    persistence: str | None = None
    last_snapshot_seconds: int | None = None
    timeline: int | None = None


@dataclass(frozen=True)
class SentinelMember:
    """One Sentinel. primary: whom it takes for the primary. quorum: it could bring about a
    failover; usable: the Sentinels it counts, itself included.
    """

    name: str
    state: str
    primary: str | None = None
    quorum: bool = False
    usable: int = 0


@dataclass(frozen=True)
class RedisStatus:
    """The group. leader: the primary by its own word and that of most Sentinels, or None."""

    leader: str | None
    members: tuple[RedisMember, ...]
    sentinels: tuple[SentinelMember, ...]

    @property
    def healthy(self) -> bool:
        """A primary that all Sentinels agree on, every replica in step, every Sentinel counted."""
        return (
            self.leader is not None
            and all(m.state == "in step" for m in self.members if m.name != self.leader)
            and all(
                s.primary == self.leader and s.quorum and s.usable == len(self.sentinels)
                for s in self.sentinels
            )
        )


@dataclass(frozen=True)
class RedisAccess:
    """How an application reaches Redis. `ports`: of each router, at `host`, whose name its
    certificate bears; `address`: where that name leads, if it leads nowhere on this machine.
    `sentinels`: their addresses (host, port), none if they cannot be reached, and `service` the
    name they know the primary by. The files are paths; certificate and key are what Redis and
    Sentinel want of a client, the routers want none.
    """

    host: str
    ports: tuple[int, ...]
    sentinels: tuple[tuple[str, int], ...]
    service: str
    username: str
    password: str
    ca_file: str
    certificate_file: str
    key_file: str
    address: str | None = None


def parse_info(text: str) -> dict[str, str]:
    """INFO's lines as a mapping."""
    pairs = (line.strip().partition(":") for line in text.splitlines() if ":" in line)
    return {key: value for key, _, value in pairs}


def combine(
    infos: Mapping[str, Mapping[str, str] | str],
    words: Mapping[str, Sequence[str] | str],
    names: Mapping[str, str],
    now: float,
) -> RedisStatus:
    """From each member's INFO and each Sentinel's words, or a word for why there are none.

    names: {address: member}. now: seconds since the epoch.
    """
    sentinels = tuple(_sentinel(name, lines, names) for name, lines in words.items())
    votes = [s.primary for s in sentinels if s.primary is not None]
    elected = next((name for name in set(votes) if 2 * votes.count(name) > len(sentinels)), None)
    leader = None
    if elected is not None:
        info = infos.get(elected)
        if info is not None and not isinstance(info, str) and info.get("role") == "master":
            leader = elected
    head = None
    if leader is not None:
        chosen = infos[leader]
        assert not isinstance(chosen, str)
        head = int(chosen["master_repl_offset"])
    members = tuple(_member(name, info, leader, head, now) for name, info in infos.items())
    return RedisStatus(leader, members, sentinels)


def _member(
    name: str,
    info: Mapping[str, str] | str,
    leader: str | None,
    head: int | None,
    now: float,
) -> RedisMember:
    if isinstance(info, str):
        return RedisMember(name, "unknown", info)
    lag = None
    if info.get("role") == "master":
        role, state = "primary", "running" if name == leader else "not the primary"
    else:
        role = "replica"
        if info.get("master_link_status") == "up":
            state = "in step"
        else:
            state = "syncing" if info.get("master_sync_in_progress") == "1" else "link down"
        if head is not None:
            lag = max(0, head - int(info.get("slave_repl_offset", 0)))
    return RedisMember(
        name,
        role,
        state,
        lag_bytes=lag,
        memory_bytes=int(info["used_memory"]),
        memory_limit_bytes=int(info["maxmemory"]),
        persistence=_persistence(info),
        last_snapshot_seconds=max(0, round(now - int(info["rdb_last_save_time"]))),
    )


def _persistence(info: Mapping[str, str]) -> str:
    failing = [
        word
        for key, word in (
            ("aof_last_write_status", "log not written"),
            ("aof_last_bgrewrite_status", "log not rewritten"),
            ("rdb_last_bgsave_status", "snapshot failed"),
        )
        if info.get(key) != "ok"
    ]
    if info.get("aof_enabled") != "1":
        failing.insert(0, "no log")
    return ", ".join(failing) or "ok"


def _sentinel(name: str, lines: Sequence[str] | str, names: Mapping[str, str]) -> SentinelMember:
    if isinstance(lines, str):
        return SentinelMember(name, lines)
    primary = names.get(lines[0])
    word = lines[2] if len(lines) > 2 else ""
    count = word.split()[1] if word.startswith(("OK ", "NOQUORUM ")) else ""
    return SentinelMember(
        name,
        "healthy",
        primary=primary,
        quorum=word.startswith("OK "),
        usable=int(count) if count.isdigit() else 0,
    )


class InsideWriter:
    """A writer in a member's own container; see images/redis/write-inside."""

    def __init__(self, container: Container, seconds: float, key: str, password: str):
        command = ["/usr/local/bin/write-inside", str(seconds), key]
        self._conversation = container.converse(command)
        self._conversation.send(password.encode() + b"\n")
        self._output = bytearray()
        self._broken: CannotBeAsked | None = None

        def read() -> None:
            try:
                for data in self._conversation.said():
                    self._output.extend(data)
            except CannotBeAsked as error:
                self._broken = error

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        deadline = time.monotonic() + INSIDE_WRITER_STARTS_SECONDS
        while b"\n" not in self._output:
            if not self._reader.is_alive() or time.monotonic() > deadline:
                raise OperationFailed(
                    f"no write was accepted from within {container.member}: "
                    + self._output.decode(errors="replace")
                )
            time.sleep(0.02)

    def result(self) -> list[float]:
        """When a write was accepted, seconds since the epoch, in order; waits for its end.

        Raises OperationFailed when it was lost sight of.
        """
        self._reader.join()
        if self._broken is not None:
            raise OperationFailed(f"the writer inside was lost sight of: {self._broken}")
        return [float(line) for line in self._output.decode().splitlines()]

    def close(self) -> None:
        """Lets go of it; it ends when its time is up."""
        self._conversation.close()


class RedisPart:
    """What a Cluster knows of Redis."""

    project: Project
    stack: str

    def containers(self, workload: str | None = None) -> list[Container]:
        """See Cluster."""
        raise NotImplementedError

    def container(self, member: str) -> Container:
        """See Cluster."""
        raise NotImplementedError

    def outputs(self) -> dict[str, Any]:
        """See Cluster."""
        raise NotImplementedError

    def note_switchover(self, service: str, old: str) -> None:
        """See Cluster."""
        raise NotImplementedError

    def redis_status(self) -> RedisStatus:
        """Asks every member and every Sentinel, from one of their containers and all at once."""
        members, sentinels = self.containers("redis"), self.containers("sentinel")
        if not members:
            return RedisStatus(None, (), ())
        targets = [f"{c.member}=redis:{c.address}:{PORT}" for c in members]
        targets += [f"{c.member}=sentinel:{c.address}:{SENTINEL_PORT}" for c in sentinels]
        answers = _look([*sentinels, *members], targets)
        infos: dict[str, Mapping[str, str] | str] = {}
        words: dict[str, Sequence[str] | str] = {}
        for container in members:
            info = parse_info(answers.get(container.member, ""))
            infos[container.member] = info if "used_memory" in info else _why(container)
        for container in sentinels:
            lines = answers.get(container.member, "").splitlines()
            words[container.member] = lines if len(lines) > 2 else _why(container)
        names = {c.address: c.member for c in members}
        return combine(infos, words, names, time.time())

    def redis_access(self) -> RedisAccess:
        """How Redis is reached from this machine. Raises UserError as `redis_given`."""
        return self.redis_given()

    def redis_given(self) -> RedisAccess:
        """What an application is given. Raises UserError when the stack was never up."""
        outputs = self.outputs()
        endpoints = outputs["redis_endpoints"]["read_write"]
        return RedisAccess(
            host=str(endpoints[0]["host"]),
            ports=tuple(int(each["port"]) for each in endpoints),
            sentinels=tuple(
                (str(each["host"]), int(each["port"])) for each in outputs["redis_sentinels"]
            ),
            service=SERVICE,
            username=USER,
            password=outputs["redis_password"],
            ca_file=str(self.project.authority_file),
            certificate_file=str(self.project.application_certificate_file),
            key_file=str(self.project.application_key_file),
        )

    def redis_switchover(self, to: str | None = None) -> str:
        """Moves the primary, planned; returns the new one's name. Raises OperationFailed."""
        status = self.redis_status()
        if status.leader is None:
            raise OperationFailed("there is no Redis primary to move: ./selfmonitor status")
        if to == status.leader:
            raise UserError(f"{to} is the primary already")
        if to is not None and to not in [member.name for member in status.members]:
            self.container(to)
            raise UserError(f"{to} is no Redis member")
        self.note_switchover("redis", status.leader)
        command = ["timeout", str(SWITCHOVER_SECONDS), "/usr/local/bin/hand-over"]
        result = execute(self.container(status.leader), [*command, *([to] if to else [])])
        text = str(result.output.decode(errors="replace")).strip()
        if result.exit_code:
            raise OperationFailed(f"Redis switchover did not happen: {text or 'no answer'}")
        return text

    def write_inside(self, member: str, seconds: float) -> InsideWriter:
        """Starts a writer in that member's container, against itself; returns once it writes."""
        key = f"selfmonitor_drill:inside:{member}"
        password = self.outputs()["redis_password"]
        return InsideWriter(self.container(member), seconds, key, password)


def _look(containers: list[Container], targets: list[str]) -> dict[str, str]:
    """{name: answer} as the first of the containers that can tell sees them; see images/redis/look.

    Who sees nobody, not even itself, is cut off; the next one is asked.
    """
    for container in containers:
        if container.state != "running":
            continue
        try:
            result = container.exec_run(["/usr/local/bin/look", SERVICE, *targets])
        except CannotBeAsked:
            continue
        found = parse_answers(result.output.decode(errors="replace"))
        if any(found.values()):
            return found
    return {}


def parse_answers(text: str) -> dict[str, str]:
    """{name: answer} of what `look` prints."""
    found: dict[str, str] = {}
    for part in text.split("== ")[1:]:
        name, _, answer = part.partition("\n")
        found[name.strip()] = answer
    return found


def _why(container: Container) -> str:
    return container.state if container.state != "running" else "unreachable"
