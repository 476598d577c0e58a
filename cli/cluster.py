"""The running stack, as the commands see it: how it is, and how to reach or break it."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import click

from cli.containers import CannotBeAsked, Container, execute
from cli.errors import OperationFailed, UserError
from cli.project import Project, current_project
from cli.redis import RedisPart
from platforms.workload import Segment

REST_PORT = 8008
EVENTS_PORT = 8010
# A member that does not answer about itself in this time does not answer.
ANSWER_SECONDS = 2
# Beyond all that hand-over waits for.
SWITCHOVER_SECONDS = 120
# A switchover does not wait longer than this for its reason to be written down.
NOTE_SECONDS = 2
# A member's own certificate, with which it asks itself.
CERTIFICATE = "/etc/selfmonitor/tls.crt"
KEY = "/etc/selfmonitor/tls.key"
AUTHORITY = "/etc/selfmonitor/ca.crt"
# Where each database server keeps its process id.
PID_FILES = {
    "postgres": "/var/lib/postgresql/17/main/postmaster.pid",
    "redis": "/run/redis/redis.pid",
}


@dataclass(frozen=True)
class MemberStatus:
    """One PostgreSQL member, by its own word.

    role: primary, standby or unknown. state: running (a primary), streaming, or what else Patroni
    or Docker says; unreachable when it does not answer. lag_bytes: WAL it has not received yet.
    synchronous: one of those of which one must confirm every commit.
    """

    name: str
    role: str
    state: str
    timeline: int | None
    lag_bytes: int | None
    synchronous: bool


@dataclass(frozen=True)
class PostgresStatus:
    """The cluster. leader is None when no member says that it is the primary."""

    leader: str | None
    members: tuple[MemberStatus, ...]

    @property
    def healthy(self) -> bool:
        """A leader, and every other member streaming on its timeline and in the quorum."""
        standbys = [member for member in self.members if member.name != self.leader]
        return (
            self.leader is not None
            and len({member.timeline for member in self.members}) == 1
            and all(member.state == "streaming" for member in standbys)
            and all(member.synchronous for member in standbys)
        )


def combine(answers: Mapping[str, Mapping[str, Any] | str]) -> PostgresStatus:
    """From each member's answer to GET /patroni, or a word for why there is none."""
    primaries = {
        name: answer
        for name, answer in answers.items()
        if not isinstance(answer, str)
        and answer.get("role") in ("primary", "master")
        and answer.get("state") == "running"
    }
    # A primary that was cut off may still say so: the younger timeline is the one in office.
    leader = max(primaries, key=lambda name: primaries[name].get("timeline", 0), default=None)
    head = primaries[leader]["xlog"].get("location") if leader else None
    synchronous = {
        each["application_name"]
        for each in (primaries[leader].get("replication") or () if leader else ())
        if each["sync_state"] in ("sync", "quorum")
    }
    members = []
    for name, answer in answers.items():
        if isinstance(answer, str):
            members.append(MemberStatus(name, "unknown", answer, None, None, False))
        elif name in primaries:
            members.append(
                MemberStatus(name, "primary", "running", answer.get("timeline"), None, False)
            )
        else:
            state = answer.get("replication_state") or answer.get("state") or "unknown"
            received = (answer.get("xlog") or {}).get("received_location")
            lag = max(0, head - received) if head is not None and received is not None else None
            members.append(
                MemberStatus(
                    name, "standby", state, answer.get("timeline"), lag, name in synchronous
                )
            )
    return PostgresStatus(leader, tuple(members))


class Cluster(RedisPart, ABC):
    """A stack, on whatever platform. None of the methods needs the Pulumi CLI but `outputs`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.stack = project.stack
        self._connection: dict[str, Any] | None = None

    def lock(self) -> AbstractContextManager[None]:
        """One change of the stack at a time, faults included. Raises OperationFailed."""
        return self.project.lock()

    # What there is.

    @abstractmethod
    def containers(self, workload: str | None = None) -> list[Container]:
        """The servers of the stack, or of one workload, by name; running or not."""

    @abstractmethod
    def container(self, member: str) -> Container:
        """The container of one member. Raises UserError for a name there is not."""

    def members(self, workload: str) -> list[str]:
        """Identities of a workload's replicas, e.g. postgres-1."""
        return [each.member for each in self.containers(workload)]

    def _no_such(self, member: str) -> UserError:
        known = [each.member for each in self.containers()]
        there = ", ".join(known) if known else "none; ./selfmonitor up brings them up"
        return UserError(f"stack {self.stack} has no member {member}; there are: {there}")

    # How it is.

    def postgres_status(self) -> PostgresStatus:
        """Asks every member about itself, all at once; a dead one is told as such."""
        containers = self.containers("postgres")
        if not containers:
            return PostgresStatus(None, ())
        with ThreadPoolExecutor(max_workers=len(containers)) as pool:
            answers = list(pool.map(self._ask, containers))
        return combine(dict(zip([each.member for each in containers], answers, strict=True)))

    def _ask(self, container: Container) -> Mapping[str, Any] | str:
        if container.state != "running":
            return container.state
        try:
            result = container.exec_run(_curl("/patroni"))
        except CannotBeAsked:
            return "unreachable"
        try:
            answer: Mapping[str, Any] = json.loads(result.output)
        except ValueError:
            return "unreachable"
        return answer

    # How to reach it.

    @abstractmethod
    def endpoints(self) -> dict[str, list[str]]:
        """host:port of each way in, by purpose, from the stack file alone."""

    @abstractmethod
    def way_in(self, endpoint: Mapping[str, Any], workload: str = "router") -> dict[str, str]:
        """What libpq wants to reach an endpoint of the outputs from this machine.

        host (whose name the server's certificate bears), port, and hostaddr where the host's name
        leads nowhere here.
        """

    @abstractmethod
    def way_beside(self) -> dict[str, str]:
        """The same for the instance beside the cluster."""

    @abstractmethod
    def router_inside(self, published_port: str, segment: Segment) -> dict[str, str]:
        """The router behind a published port, as members of a segment reach it.

        hostaddr, port, and host: the name its certificate bears.
        """

    @abstractmethod
    def address(self, member: str, segment: Segment) -> str:
        """The member's address in a segment. Raises UserError for a name there is not."""

    # In whose containers a client program reaches the router, where this machine has none.
    beside_router: ClassVar[Mapping[Segment, str]]

    def conninfo(self, database: str | None = None, *, read_only: bool = False) -> dict[str, str]:
        """psycopg.connect's arguments: the application's own way in, through the first router."""
        credentials = self.credentials(database)
        endpoints = self.outputs()["postgres_endpoints"]
        return {
            **self.way_in(endpoints["read_only" if read_only else "read_write"][0]),
            **credentials,
        }

    def credentials(self, database: str | None = None) -> dict[str, str]:
        """Of conninfo all that is the same wherever one connects to."""
        chosen = self._database(database)
        return {
            "user": chosen.owner,
            "password": self.outputs()["postgres_passwords"][chosen.owner],
            "dbname": chosen.name,
            "sslmode": "verify-full",
            "sslrootcert": str(self.project.authority_file),
        }

    def _database(self, name: str | None) -> Any:
        databases = self.project.settings.postgres.databases
        for database in databases:
            if name in (None, database.name):
                return database
        there = ", ".join(database.name for database in databases)
        raise UserError(f"stack {self.stack} has no database {name}; there are: {there}")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs. Raises UserError when it was never up."""
        if self._connection is None:
            self._connection = self._read_outputs()
        if not self._connection:
            raise UserError(f"stack {self.stack} was never up: ./selfmonitor -s {self.stack} up")
        return self._connection

    @abstractmethod
    def _read_outputs(self) -> dict[str, Any]:
        """As the last `up` left them; empty when there was none."""

    # Planned change.

    def switchover(self, to: str | None = None) -> str:
        """Moves the primary, planned; returns the new one's name. Raises OperationFailed."""
        status = self.postgres_status()
        if status.leader is None:
            raise OperationFailed("there is no primary to move: ./selfmonitor status")
        candidates = [m.name for m in status.members if m.synchronous and m.state == "streaming"]
        if to == status.leader:
            raise UserError(f"{to} is the primary already")
        if to is not None and to not in [member.name for member in status.members]:
            self.container(to)
            raise UserError(f"{to} is no PostgreSQL member")
        if to is not None and to not in candidates:
            raise OperationFailed(f"{to} is not fit to take over: it does not stream synchronously")
        if not candidates:
            raise OperationFailed("no standby is fit to take over: ./selfmonitor status")
        target = to or candidates[0]
        self.note_switchover("postgres", status.leader)
        command = ["timeout", str(SWITCHOVER_SECONDS), "/usr/local/bin/hand-over", str(REST_PORT)]
        result = execute(self.container(status.leader), [*command, target])
        text = result.output.decode(errors="replace").strip()
        # One line is the new primary's name; the others say what it does.
        now = {member.name for member in status.members} & set(text.split("\n"))
        if result.exit_code or not now:
            raise OperationFailed(f"switchover to {target} did not happen: {text or 'no answer'}")
        return now.pop()

    def note_switchover(self, service: str, old: str) -> None:
        """Tells the events container that the primary is about to be moved on purpose.

        As far as that is possible: a switchover neither fails nor waits for it.
        """
        thread = threading.Thread(target=self._leave_note, args=(service, old), daemon=True)
        thread.start()
        thread.join(NOTE_SECONDS)

    def _leave_note(self, service: str, old: str) -> None:
        note = json.dumps({"service": service, "kind": "switchover", "old": old})
        command = ask_events("/notes", "--data", note, seconds=NOTE_SECONDS)
        try:
            for container in self.containers("events"):
                container.exec_run(command)
        except Exception:  # noqa: BLE001 - whatever the platform raises
            # Then the change is recorded with the reason that members give.
            return

    # Faults.

    def kill_process(self, member: str) -> None:
        """SIGKILL to the database server of the container; what looks after it lives on."""
        container = self.container(member)
        pid_file = PID_FILES[container.workload]
        result = execute(container, ["/bin/sh", "-c", f'kill -9 "$(head -n 1 {pid_file})"'])
        if result.exit_code:
            raise OperationFailed(f"{member}: no server to kill: {result.output.decode()}")

    @abstractmethod
    def kill(self, member: str) -> None:
        """SIGKILL to everything in the container; it stays down until started."""

    @abstractmethod
    def start(self, member: str) -> None:
        """Starts a stopped container; one that runs is left alone."""

    @abstractmethod
    def restart(self, member: str) -> None:
        """Stops the container in order and starts it again."""

    @abstractmethod
    def pause(self, member: str) -> None:
        """Freezes every process of the container."""

    @abstractmethod
    def unpause(self, member: str) -> None:
        """Thaws a frozen container; one that runs is left alone."""

    @abstractmethod
    def disconnect(self, member: str) -> None:
        """Cuts the container from every network, as if its cable were pulled."""

    @abstractmethod
    def reconnect(self, member: str) -> None:
        """Undoes disconnect; does nothing to a member that is not cut off."""

    def cut_consensus(self) -> None:
        """Keeps PostgreSQL's members from the platform's own store, where that is what they agree
        in. An etcd of theirs has members, which are killed like any other.
        """
        raise OperationFailed(f"stack {self.stack} agrees in an etcd of its own: kill its members")

    def mend_consensus(self) -> None:
        """Undoes cut_consensus; does nothing where nothing is cut."""


def ask_events(path: str, *more: str, seconds: int) -> list[str]:
    """A request of the events container to itself."""
    return _curl(path, *more, seconds=seconds, port=EVENTS_PORT)


def _curl(path: str, *more: str, seconds: int = ANSWER_SECONDS, port: int = REST_PORT) -> list[str]:
    return [
        *("curl", "--silent", "--max-time", str(seconds), "--cacert", AUTHORITY),
        *("--cert", CERTIFICATE, "--key", KEY, *more, f"https://localhost:{port}{path}"),
    ]


def open_cluster(context: click.Context) -> Cluster:
    """The stack the command line names. Raises UserError when its platform does not answer."""
    project = current_project(context)
    if project.on_kubernetes:
        from cli.kubernetes_cluster import open_on_kubernetes

        return open_on_kubernetes(project)
    from cli.docker_cluster import DockerCluster
    from cli.host import docker_engine

    return DockerCluster(project, docker_engine.require())
