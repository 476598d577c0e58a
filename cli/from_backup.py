"""Whether a stack begins with its backups, must, or may not."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cli import under_way
from cli.apply import applier, data_volumes
from cli.errors import UserError
from cli.point import parse
from cli.project import Project, command_line
from platforms.docker_names import LABEL_WORKLOAD, ROLE_DATA, object_name

if TYPE_CHECKING:
    import docker

WORKLOADS = {"vault": "vault", "copy": "vault-copy"}


@dataclass(frozen=True)
class Beginning:
    """source: vault or copy. to: a point as the members know it (Point.value); None: all there
    is. redis: it lost data and is filled; otherwise it is left alone. since: when the recovery was
    begun (ISO 8601); None: by an earlier release, which did not note it.
    """

    source: str
    to: str | None
    redis: bool = True
    since: str | None = None

    def __str__(self) -> str:
        where = "the vault" if self.source == "vault" else "the second region's copy"
        return f"{where}{f' as of {self.to}' if self.to else ''}"

    def recovering(self, project: Project) -> Project:
        """The stack, for the run that begins with this."""
        return project.recovering(self.source, self.to, redis=self.redis, redis_before=self.since)


def refuse_during_restore(project: Project) -> None:
    """`up` would make an empty cluster of one whose data is set aside. Raises UserError.

    A restore in place that has changed nothing yet is given up.
    """
    run = command_line(project.stack)
    note = under_way.in_place(project)
    found = note.read()
    if found is None:
        return
    if not found.get("changed"):
        note.remove()
        return
    raise UserError(
        f"stack {project.stack} is being restored in place to {found.get('point')}: "
        f"{run} restore --into in-place --to {_quoted(str(found.get('asked')))} "
        "goes on"
    )


def decide(
    project: Project,
    client: "docker.DockerClient",
    *,
    wanted: bool,
    source: str | None,
    to: str | None,
) -> Beginning | None:
    """What the stack begins with; None: it has its data, or is new. Raises UserError, with nothing
    changed, for what would lose data or bring none, and SettingsError.
    """
    run = command_line(project.stack)
    there: dict[str, list[str]] = {}
    for volume in data_volumes(project, client):
        workload = (volume.attrs["Labels"] or {}).get(LABEL_WORKLOAD, "")
        there.setdefault(workload, []).append(str(volume.name))
    note = under_way.from_backup(project)
    begun = note.read()
    if not wanted:
        _refuse_to_begin_afresh(project, client, there, begun)
        return None
    if begun is not None:
        return _going_on(project, begun, source, to)
    if "postgres" in there:
        raise UserError(
            f"stack {project.stack} has PostgreSQL data ({', '.join(sorted(there['postgres']))}): "
            "--from-backup is for a stack that has lost it. To go back in time: "
            f"{run} restore --to TIME --into in-place"
        )
    found = Beginning(
        source or "vault",
        _value(to),
        redis=not _has_all_of_redis(project, there),
        since=_now(),
    )
    if WORKLOADS[found.source] not in there:
        others = [name for name, workload in WORKLOADS.items() if workload in there]
        raise UserError(
            f"stack {project.stack} has no {WORKLOADS[found.source]} on this machine to begin with"
            + (
                f": begin with the other one, {run} up --from-backup --source {others[0]}"
                if others
                else ", nor any other: there is nothing to recover from"
            )
        )
    # What the stack could not be applied with is refused here. Raises SettingsError.
    _ = found.recovering(project).settings
    note.write({"asked": to, **asdict(found)})
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _has_all_of_redis(project: Project, there: dict[str, list[str]]) -> bool:
    """Whether no member of Redis lost its data.

    Then a snapshot would bring back what was deleted since. With one volume missing nobody knows
    whose data the others will follow.
    """
    members = range(1, project.settings.redis.members + 1)
    volumes = {object_name(project.stack, f"redis-{number}-{ROLE_DATA}") for number in members}
    return volumes <= {*there.get("redis", ())}


def _value(to: str | None) -> str | None:
    """Of a point that a person wrote, as Beginning has it. Raises UserError.

    No backup service runs yet that could be asked what it means.
    """
    return None if to is None else parse(to).value or None


def _going_on(
    project: Project, begun: dict[str, Any], source: str | None, to: str | None
) -> Beginning:
    run = command_line(project.stack)
    found = Beginning(
        str(begun.get("source")), begun.get("to"), begun.get("redis", True), begun.get("since")
    )
    # A time ago is the one it was when it was first typed: known by its words.
    same = to in (None, begun.get("asked")) or _value(to) == found.to
    if source not in (None, found.source) or not same:
        raise UserError(
            f"stack {project.stack} is being recovered from {found}: {run} up "
            "--from-backup goes on. To begin with something else, first: "
            f"{run} down --volumes --keep-vault"
        )
    return found


def _refuse_to_begin_afresh(
    project: Project,
    client: "docker.DockerClient",
    there: dict[str, list[str]],
    begun: dict[str, Any] | None,
) -> None:
    run = command_line(project.stack)
    if begun is not None:
        raise UserError(
            f"stack {project.stack} is being recovered: {run} up --from-backup goes "
            f"on; {run} down --volumes --keep-vault gives it up"
        )
    vaults = [name for name, workload in WORKLOADS.items() if workload in there]
    if "postgres" in there or not vaults:
        return
    # A first `up` that was killed half way has made a vault, and nothing is in it yet.
    if not applier(project, client).outputs():
        return
    source = "" if "vault" in vaults else f" --source {vaults[0]}"
    raise UserError(
        f"stack {project.stack} has no PostgreSQL data, and its backups are there: "
        f"{run} up --from-backup{source} brings back what they hold; "
        f"{run} down --volumes deletes them too, to begin afresh"
    )


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
