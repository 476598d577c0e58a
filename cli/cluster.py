"""The running stack, as the commands see it: how it is, and how to reach or break it."""

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.errors import OperationFailed, UserError
from cli.host import docker_engine
from cli.project import Project, current_project
from cli.redis import RedisPart
from platforms.docker_names import (
    LABEL_ADDRESSES,
    LABEL_MEMBER,
    LABEL_ROLE,
    LABEL_STACK,
    LABEL_WORKLOAD,
    ROLE_FAULT,
    ROLE_SERVER,
    object_name,
)
from platforms.workload import Segment

if TYPE_CHECKING:
    import docker

REST_PORT = 8008
EVENTS_PORT = 8010
# A member that does not answer about itself in this time does not answer.
ANSWER_SECONDS = 2
SWITCHOVER_SECONDS = 60
# A switchover does not wait longer than this for its reason to be written down.
NOTE_SECONDS = 2
# A cut nobody undoes, because the drill was killed, ends by itself after this time.
LONGEST_CUT_SECONDS = 600
CUT_SECONDS = 10
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


class Cluster(RedisPart):
    """A stack on Docker. See the methods; none of them needs the Pulumi CLI."""

    def __init__(self, project: Project, client: "docker.DockerClient") -> None:
        self.project = project
        self.stack = project.stack
        self._client = client
        self._connection: dict[str, Any] | None = None

    def lock(self) -> AbstractContextManager[None]:
        """One change of the stack at a time, faults included. Raises OperationFailed."""
        return self.project.lock()

    # What there is.

    def containers(self, workload: str | None = None) -> list[Any]:
        """The servers of the stack, or of one workload, by name; running or not."""
        labels = [f"{LABEL_STACK}={self.stack}", f"{LABEL_ROLE}={ROLE_SERVER}"]
        if workload is not None:
            labels.append(f"{LABEL_WORKLOAD}={workload}")
        found = self._client.containers.list(all=True, filters={"label": labels}, sparse=True)
        return sorted(found, key=lambda each: str(each.attrs["Labels"][LABEL_MEMBER]))

    def members(self, workload: str) -> list[str]:
        """Identities of a workload's replicas, e.g. postgres-1."""
        return [each.attrs["Labels"][LABEL_MEMBER] for each in self.containers(workload)]

    def container(self, member: str) -> Any:
        """The container of one member. Raises UserError for a name there is not."""
        labels = [f"{LABEL_STACK}={self.stack}", f"{LABEL_MEMBER}={member}"]
        labels.append(f"{LABEL_ROLE}={ROLE_SERVER}")
        found = self._client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        if found:
            return found[0]
        known = [each.attrs["Labels"][LABEL_MEMBER] for each in self.containers()]
        there = ", ".join(known) if known else "none; ./selfmonitor up brings them up"
        raise UserError(f"stack {self.stack} has no member {member}; there are: {there}")

    # How it is.

    def postgres_status(self) -> PostgresStatus:
        """Asks every member about itself, all at once; a dead one is told as such."""
        containers = self.containers("postgres")
        if not containers:
            return PostgresStatus(None, ())
        with ThreadPoolExecutor(max_workers=len(containers)) as pool:
            answers = list(pool.map(self._ask, containers))
        names = [each.attrs["Labels"][LABEL_MEMBER] for each in containers]
        return combine(dict(zip(names, answers, strict=True)))

    def _ask(self, container: Any) -> Mapping[str, Any] | str:
        import docker.errors

        state = container.attrs["State"]
        if state != "running":
            return str(state)
        try:
            result = container.exec_run(_curl("/patroni"))
        except docker.errors.APIError:
            return "unreachable"
        try:
            answer: Mapping[str, Any] = json.loads(result.output)
        except ValueError:
            return "unreachable"
        return answer

    # How to reach it.

    def conninfo(self, database: str | None = None, *, read_only: bool = False) -> dict[str, str]:
        """psycopg.connect's arguments: the application's own way in, through the first router."""
        outputs = self.outputs()
        chosen = self._database(database)
        endpoint = outputs["postgres_endpoints"]["read_only" if read_only else "read_write"][0]
        return {
            "host": str(endpoint["host"]),
            "port": str(int(endpoint["port"])),
            "user": chosen.owner,
            "password": outputs["postgres_passwords"][chosen.owner],
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
            from cli.apply import applier

            self._connection = applier(self.project, self._client).outputs()
        if not self._connection:
            raise UserError(f"stack {self.stack} was never up: ./selfmonitor -s {self.stack} up")
        return self._connection

    def router_inside(self, published_port: str, segment: Segment) -> dict[str, str]:
        """The router behind a published port, as members of a segment reach it.

        hostaddr, port, and host: the name its certificate bears.
        """
        for container in self.containers("router"):
            for port in container.attrs["Ports"]:
                if str(port.get("PublicPort")) == published_port:
                    name = container.attrs["Labels"][LABEL_MEMBER]
                    address = self.address(name, segment)
                    return {"host": name, "hostaddr": address, "port": str(port["PrivatePort"])}
        raise OperationFailed(f"no router publishes port {published_port}: ./selfmonitor status")

    def address(self, member: str, segment: Segment) -> str:
        """The member's address in a segment. Raises UserError for a name there is not."""
        addresses = json.loads(self.container(member).labels[LABEL_ADDRESSES])
        network = object_name(self.stack, segment.value)
        if network not in addresses:
            raise UserError(f"{member} is not in the segment {segment.value}")
        return str(addresses[network])

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
        body = json.dumps({"leader": status.leader, "candidate": target})
        self.note_switchover("postgres", status.leader)
        result = self.container(status.leader).exec_run(
            _curl("/switchover", "--request", "POST", "--data", body, seconds=SWITCHOVER_SECONDS)
        )
        text = result.output.decode(errors="replace").strip()
        if not text.startswith("Successfully switched over"):
            raise OperationFailed(f"switchover to {target} did not happen: {text or 'no answer'}")
        return target

    def note_switchover(self, service: str, old: str) -> None:
        """Tells the events container that the primary is about to be moved on purpose.

        As far as that is possible: a switchover neither fails nor waits for it.
        """
        thread = threading.Thread(target=self._leave_note, args=(service, old), daemon=True)
        thread.start()
        thread.join(NOTE_SECONDS)

    def _leave_note(self, service: str, old: str) -> None:
        import docker.errors

        note = json.dumps({"service": service, "kind": "switchover", "old": old})
        command = ask_events("/notes", "--data", note, seconds=NOTE_SECONDS)
        try:
            for container in self.containers("events"):
                container.exec_run(command)
        except (docker.errors.DockerException, OSError):
            # Then the change is recorded with the reason that members give.
            return

    # Faults.

    def kill_process(self, member: str) -> None:
        """SIGKILL to the database server of the container; what looks after it lives on."""
        container = self.container(member)
        pid_file = PID_FILES[container.labels[LABEL_WORKLOAD]]
        result = container.exec_run(["/bin/sh", "-c", f'kill -9 "$(head -n 1 {pid_file})"'])
        if result.exit_code:
            raise OperationFailed(f"{member}: no server to kill: {result.output.decode()}")

    def kill(self, member: str) -> None:
        """SIGKILL to everything in the container; it stays down until started."""
        container = self.container(member)
        if container.status == "paused":
            container.unpause()
        container.kill(signal="SIGKILL")
        container.wait(timeout=30)

    def start(self, member: str) -> None:
        """Starts a stopped container; one that runs is left alone."""
        container = self.container(member)
        if container.status not in ("running", "paused"):
            container.start()

    def restart(self, member: str) -> None:
        """Stops the container in order and starts it again."""
        container = self.container(member)
        container.restart(timeout=container.attrs["Config"].get("StopTimeout") or 10)

    def pause(self, member: str) -> None:
        """Freezes every process of the container."""
        self.container(member).pause()

    def unpause(self, member: str) -> None:
        """Thaws a frozen container; one that runs is left alone."""
        container = self.container(member)
        if container.status == "paused":
            container.unpause()

    def disconnect(self, member: str) -> None:
        """Cuts the container from every network, as if its cable were pulled."""
        container = self.container(member)
        self._remove_cut(member)
        cut = self._client.containers.run(
            container.attrs["Image"],
            ["/usr/local/bin/cut-off", str(LONGEST_CUT_SECONDS)],
            name=self._cut_name(member),
            labels={LABEL_STACK: self.stack, LABEL_MEMBER: member, LABEL_ROLE: ROLE_FAULT},
            network_mode=f"container:{container.id}",
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            mem_limit="64m",
            detach=True,
        )
        deadline = time.monotonic() + CUT_SECONDS
        while not cut.logs():
            if time.monotonic() >= deadline:
                raise OperationFailed(f"{member} could not be cut off within {CUT_SECONDS} s")
            time.sleep(0.02)

    def reconnect(self, member: str) -> None:
        """Undoes disconnect; does nothing to a member that is not cut off."""
        self._remove_cut(member)

    def _remove_cut(self, member: str) -> None:
        import docker.errors

        try:
            cut = self._client.containers.get(self._cut_name(member))
        except docker.errors.NotFound:
            return
        # In order: it brings the network back as it ends.
        cut.stop(timeout=CUT_SECONDS)
        cut.remove()

    def _cut_name(self, member: str) -> str:
        return object_name(self.stack, f"{member}-cut-off")


def ask_events(path: str, *more: str, seconds: int) -> list[str]:
    """A request of the events container to itself."""
    return _curl(path, *more, seconds=seconds, port=EVENTS_PORT)


def _curl(path: str, *more: str, seconds: int = ANSWER_SECONDS, port: int = REST_PORT) -> list[str]:
    return [
        *("curl", "--silent", "--max-time", str(seconds), "--cacert", AUTHORITY),
        *("--cert", CERTIFICATE, "--key", KEY, *more, f"https://localhost:{port}{path}"),
    ]


def open_cluster(context: click.Context) -> Cluster:
    """The stack the command line names. Raises UserError when Docker does not answer."""
    return Cluster(current_project(context), docker_engine.require())
