"""PostgreSQL brought back to a point in time in the running cluster's place.

The members stop, their data is set aside, the consensus store forgets the cluster, and the stack is
applied with a recovery: then the first member begins with what the vault holds. Each step looks
first whether it is done, and the note in the stack's folder says how far all is, so that the same
command goes on where one was killed:

{"asked": as the person wrote it, "to": the same, fixed, "point": for a person, "mark": the name of
the old data, "changed": from here on there is no cluster to go back to, "done": [step, …]}
"""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cli import under_way
from cli.apply import applier
from cli.cluster import ANSWER_SECONDS, AUTHORITY, CERTIFICATE, KEY
from cli.confirm import confirm
from cli.console import Steps
from cli.containers import Container, execute
from cli.docker_cluster import DockerCluster
from cli.errors import OperationFailed, UserError
from cli.point import fixed
from cli.recovered import ask_for_full_backup
from cli.recovery_point import reachable, switch_wal
from cli.up import RECOVERED_SECONDS, wait_until_healthy, write_credentials
from platforms.docker_names import (
    LABEL_MEMBER,
    LABEL_ROLE,
    LABEL_STACK,
    LABEL_WORKLOAD,
    ROLE_DATA,
    ROLE_JOB,
    object_name,
)
from platforms.workload import USER_ID

if TYPE_CHECKING:
    import docker

DATA = "/var/lib/postgresql"
# Beside the data directory, which is DATA/17/main.
FOLDER = f"{DATA}/17"
OLD = "main.before-"
# Where Patroni keeps what it knows of a cluster, see images/postgres/patroni.yml.j2.
NAMESPACE = "/selfmonitor/selfmonitor-{stack}/"
ETCD_PORT = 2379
ETCD_SECONDS = 10
# A rename takes a moment; deleting some hundred GiB takes longer.
ONE_SHOT_SECONDS = 900

SET_ASIDE = (
    f'cd {FOLDER} 2>/dev/null || exit 0; [ -e main ] || exit 0; old="{OLD}$0"; '
    'if [ -e "$old" ]; then echo "both main and $old are there" >&2; exit 3; fi; '
    'mv -T main "$old" && sync -f .'
)
LIST_OLD = f"cd {FOLDER} 2>/dev/null || exit 0; for each in {OLD}*; do " + (
    '[ ! -d "$each" ] || du -s -B1 "$each"; done'
)
DELETE_OLD = f"cd {FOLDER} 2>/dev/null || exit 0; rm -rf {OLD}* && sync -f ."

STOPPED, CLEARED, ASIDE = "members stopped", "consensus cleared", "data set aside"


@dataclass
class Progress:
    """How far it is, see the note above."""

    asked: str
    to: str
    point: str
    mark: str
    changed: bool = False
    done: list[str] = field(default_factory=list)


def _mark(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _read(note: under_way.Note) -> Progress | None:
    content = note.read()
    if content is None:
        return None
    try:
        return Progress(**content)
    except TypeError:
        raise UserError(
            "in-place.json in the stack's folder is no note of a restore in place"
        ) from None


def restore(
    cluster: DockerCluster,
    client: "docker.DockerClient",
    asked: str,
    steps: Steps,
    *,
    yes: bool,
) -> str:
    """Goes to a point in time, or goes on to it; returns the point, for a person.

    Raises UserError, with nothing changed, for a point outside the window and when it is not
    confirmed.
    """
    project = cluster.project
    note = under_way.in_place(project)
    progress = _read(note)
    goes_on = progress is not None and progress.changed and progress.asked == asked.strip()
    if progress is None or not goes_on:
        _must_be_whole(cluster)
        to = fixed(asked)
        point = reachable(cluster, to, lambda said: steps.line(f"  {said}"))
        changed = progress is not None and progress.changed
        progress = Progress(
            asked.strip(), point.value, str(point), _mark(datetime.now(UTC)), changed
        )
    recovering = project.recovering("vault", progress.to or None, redis=False)
    # What the stack could not be applied with is refused before anything stops.
    _ = recovering.settings
    confirm(
        cluster.stack, _warning(cluster.stack, progress), "nothing was changed by this", yes=yes
    )
    run = _Run(cluster, client, note, progress, steps)
    run.step(STOPPED, "stopping PostgreSQL, the primary last", run.stop)
    run.step(CLEARED, "clearing what the consensus store knows of it", run.clear)
    run.step(ASIDE, "setting the old data aside", run.set_aside)
    by = applier(recovering, client)
    by.up(steps)
    write_credentials(project, by)
    cluster = DockerCluster(project, client)
    wait_until_healthy(cluster, steps, RECOVERED_SECONDS)
    ask_for_full_backup(cluster, steps)
    note.remove()
    # What the members find when they begin the next time is what the stack file says.
    applier(project, client).up(steps)
    return progress.point


def _must_be_whole(cluster: DockerCluster) -> None:
    """Nothing is stopped that could not be brought back: all that the way back needs is there."""
    states = [container.state for container in cluster.containers("etcd")]
    if "running" not in states or not cluster.containers("postgres"):
        raise UserError(
            f"stack {cluster.stack} is not up: ./selfmonitor -s {cluster.stack} up; where its "
            "PostgreSQL data is lost: up --from-backup"
        )


def _warning(stack: str, progress: Progress) -> str:
    if progress.changed:
        return f"A restore in place of stack {stack} to {progress.point} is under way and goes on."
    return (
        f"This stops PostgreSQL of stack {stack} and brings it back as it was at "
        f"{progress.point}: what was committed later is no longer in it. What it holds now is kept "
        "on each member until restore --forget-old-data. Redis is left alone."
    )


class _Run:
    """The steps. Each may be killed anywhere and done again."""

    def __init__(
        self,
        cluster: DockerCluster,
        client: "docker.DockerClient",
        note: under_way.Note,
        progress: Progress,
        steps: Steps,
    ) -> None:
        self._cluster = cluster
        self._client = client
        self._note = note
        self._progress = progress
        self._steps = steps
        note.write(vars(progress))

    def step(self, name: str, title: str, act: Callable[[], None]) -> None:
        """Carries out what is not noted as done, and notes it."""
        if name in self._progress.done:
            return
        with self._steps.step(title):
            act()
        self._progress.done.append(name)
        self._note.write(vars(self._progress))

    def stop(self) -> None:
        """All members: standbys first, so that the primary's last WAL is the cluster's last."""
        if not switch_wal(self._cluster):
            self._steps.line(
                "  the last WAL did not reach the vault now: what is not archived when the primary "
                "stops is in the old data alone"
            )
        leader = self._cluster.postgres_status().leader
        members = self._cluster.members("postgres")
        self._stop_all([name for name in members if name != leader])
        self._stop_all([name for name in members if name == leader])

    def _stop_all(self, members: list[str]) -> None:
        def stop(member: str) -> None:
            container = self._cluster.container(member).raw
            if container.status == "paused":
                container.unpause()
            # Docker's own default of 10 s would cut PostgreSQL's shutdown short.
            container.stop(timeout=container.attrs["Config"].get("StopTimeout") or 10)

        if members:
            with ThreadPoolExecutor(max_workers=len(members)) as pool:
                list(pool.map(stop, members))

    def clear(self) -> None:
        """Without these keys the first member begins a cluster; with them all wait for one."""
        # Before the first key is gone: from here on `up` alone would make an empty cluster.
        self._progress.changed = True
        self._note.write(vars(self._progress))
        prefix = NAMESPACE.format(stack=self._cluster.stack)
        for container in self._cluster.containers("etcd"):
            if container.state == "running" and _delete_keys(container, prefix):
                return
        raise OperationFailed(
            "no etcd member forgets the cluster: ./selfmonitor status; the same command goes on"
        )

    def set_aside(self) -> None:
        """Renames the data directory of every member; nothing is copied and nothing deleted."""
        for member in data_members(self._cluster, self._client):
            self._on(member, SET_ASIDE, self._progress.mark)
        self._remove_jobs()

    def _remove_jobs(self) -> None:
        """What has made roles and databases has to look again: they may be others by now."""
        labels = [f"{LABEL_STACK}={self._cluster.stack}", f"{LABEL_ROLE}={ROLE_JOB}"]
        labels.append(f"{LABEL_WORKLOAD}=provision")
        for container in self._client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        ):
            container.remove(v=True, force=True)

    def _on(self, member: str, script: str, *arguments: str) -> str:
        return on_data(self._cluster, self._client, member, script, *arguments)


def _delete_keys(container: Container, prefix: str) -> bool:
    """Through etcd's own HTTP gateway, as Patroni speaks to it; whether it says that it has."""

    def encoded(key: bytes) -> str:
        return base64.b64encode(key).decode()

    key = prefix.encode()
    # etcd's way to say “all that begin with”: up to the next possible key.
    end = key[:-1] + bytes([key[-1] + 1])
    body = json.dumps({"key": encoded(key), "range_end": encoded(end)})
    result = execute(
        container,
        [
            *("curl", "--silent", "--fail", "--max-time", str(ETCD_SECONDS)),
            *("--connect-timeout", str(ANSWER_SECONDS)),
            *("--cacert", AUTHORITY, "--cert", CERTIFICATE, "--key", KEY, "--data", body),
            f"https://localhost:{ETCD_PORT}/v3/kv/deleterange",
        ],
    )
    with suppress(ValueError):
        return result.exit_code == 0 and "header" in json.loads(result.output)
    return False


def data_members(cluster: DockerCluster, client: "docker.DockerClient") -> list[str]:
    """Members of PostgreSQL that have a data volume, running or not."""
    labels = [f"{LABEL_STACK}={cluster.stack}", f"{LABEL_ROLE}={ROLE_DATA}"]
    labels.append(f"{LABEL_WORKLOAD}=postgres")
    volumes = client.volumes.list(filters={"label": labels})
    return sorted(str(volume.attrs["Labels"][LABEL_MEMBER]) for volume in volumes)


def on_data(
    cluster: DockerCluster, client: "docker.DockerClient", member: str, script: str, *arguments: str
) -> str:
    """Runs a shell script over a member's data volume, in a container of its own that has nothing
    else; its output. Raises OperationFailed.
    """
    import docker.errors
    import requests

    name = object_name(cluster.stack, f"{member}-old-data")
    with suppress(docker.errors.NotFound):
        client.containers.get(name).remove(force=True)
    labels = {LABEL_STACK: cluster.stack, LABEL_MEMBER: member, LABEL_ROLE: ROLE_JOB}
    container = client.containers.run(
        _image(cluster, client),
        ["/bin/sh", "-c", script, *(arguments or ("old-data",))],
        name=name,
        labels=labels,
        volumes={object_name(cluster.stack, f"{member}-{ROLE_DATA}"): {"bind": DATA, "mode": "rw"}},
        network_mode="none",
        user=f"{USER_ID}:{USER_ID}",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        read_only=True,
        mem_limit="64m",
        detach=True,
    )
    try:
        code = container.wait(timeout=ONE_SHOT_SECONDS)["StatusCode"]
        said = container.logs(stdout=True, stderr=False).decode(errors="replace")
        complaint = container.logs(stdout=False, stderr=True).decode(errors="replace")
    except requests.RequestException:
        raise OperationFailed(
            f"{member}: its data volume was not looked at within {ONE_SHOT_SECONDS} s"
        ) from None
    finally:
        container.remove(force=True)
    if code:
        raise OperationFailed(
            f"{member}: its old data is not where it should be: {complaint.strip() or code}"
        )
    return str(said)


def _image(cluster: DockerCluster, client: "docker.DockerClient") -> str:
    """The members' own; where there is no member any more, the newest there is."""
    for member in cluster.members("postgres"):
        return str(cluster.container(member).raw.attrs["Image"])
    for image in client.images.list(name="selfmonitor/postgres"):
        return str(image.id)
    raise OperationFailed("there is no image of PostgreSQL on this machine")


def forget_old_data(
    cluster: DockerCluster, client: "docker.DockerClient", steps: Steps, *, yes: bool
) -> None:
    """Deletes what restores in place have set aside. Raises UserError when not confirmed."""
    if under_way.in_place(cluster.project).read() is not None:
        raise UserError("a restore in place is under way: its old data is all there is")
    found = {
        member: on_data(cluster, client, member, LIST_OLD)
        for member in data_members(cluster, client)
    }
    if not any(found.values()):
        click.echo(f"no member of stack {cluster.stack} keeps old data")
        return
    _show(found)
    confirm(
        cluster.stack,
        "This deletes it for good: what was committed after the point that was restored is then "
        "nowhere.",
        "nothing was deleted",
        yes=yes,
    )
    for member in (name for name, lines in found.items() if lines):
        with steps.step(f"deleting old data of {member}"):
            on_data(cluster, client, member, DELETE_OLD)


def _show(found: dict[str, str]) -> None:
    from cli.figures import size

    for member, text in found.items():
        for line in text.splitlines():
            number, _, name = line.partition("\t")
            amount = size(int(number)) if number.isdigit() else number
            click.echo(f"{member}  {name}  {amount}", err=True)
