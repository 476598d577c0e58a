"""A restore in place, over data folders that are real and containers that are not."""

import base64
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
from click.testing import CliRunner

from cli import from_backup, under_way
from cli import in_place as module
from cli import restore as command
from cli.cluster import Cluster
from cli.console import Steps
from cli.errors import OperationFailed, UserError
from cli.project import Project
from cli.recovery_point import Point
from settings.errors import SettingsError

MEMBERS = ("postgres-1", "postgres-2", "postgres-3")
TO = "2026-11-23T11:50:00.000000Z"
KEYS = "/selfmonitor/selfmonitor-local/"


class Killed(BaseException):
    """As a kill at that moment."""


@dataclass
class World:
    """The engine's volumes and one-shots, and what was applied. log: what happened, in order."""

    folder: Path
    containers: dict[str, Any]
    log: list[str] = field(default_factory=list)
    die_at: str = ""
    jobs: list[Any] = field(default_factory=list)
    specs: list[dict[str, Any]] = field(default_factory=list)

    def happens(self, what: str) -> None:
        self.log.append(what)
        if what == self.die_at:
            self.die_at = ""
            raise Killed

    def data(self, member: str) -> Path:
        return self.folder / member / "17"

    def names(self, member: str) -> list[str]:
        return sorted(path.name for path in self.data(member).iterdir())

    def volumes(self, filters: dict[str, list[str]]) -> list[Any]:
        assert "io.selfmonitor.workload=postgres" in filters["label"]
        return [
            SimpleNamespace(
                name=f"selfmonitor-local-{member}-data",
                attrs={"Labels": {"io.selfmonitor.member": member}},
            )
            for member in MEMBERS
        ]

    def run(self, image: str, command: list[str], **spec: Any) -> Any:
        member = spec["labels"]["io.selfmonitor.member"]
        shell, option, script, *rest = command
        script = script.replace(module.FOLDER, str(self.data(member)))
        done = subprocess.run(
            [shell, option, script, *rest], capture_output=True, text=True, check=False
        )
        self.specs.append({"image": image, **spec})
        self.happens(f"{member} {rest[0]}")
        return SimpleNamespace(
            wait=lambda timeout: {"StatusCode": done.returncode},
            logs=lambda stdout, stderr: (done.stdout if stdout else done.stderr).encode(),
            remove=lambda force: None,
        )


@pytest.fixture
def world(
    stack: Cluster,
    containers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> World:
    found = World(tmp_path / "volumes", containers)
    for member in MEMBERS:
        (found.data(member) / "main").mkdir(parents=True)
        (found.data(member) / "main" / "PG_VERSION").write_text("17\n")
    client: Any = stack._client
    listed = client.containers.list

    def list_(filters: dict[str, Any], **how: Any) -> Any:
        if "io.selfmonitor.role=job" in filters["label"]:
            return found.jobs
        return listed(filters=filters, **how)

    def get(name: str) -> Any:
        raise docker.errors.NotFound(name)

    client.containers = SimpleNamespace(list=list_, run=found.run, get=get)
    client.volumes = SimpleNamespace(list=found.volumes)
    client.images = SimpleNamespace(list=lambda name: [SimpleNamespace(id="sha256:newest")])

    def etcd(command: list[str]) -> tuple[int, str]:
        found.happens("clear")
        return 0, json.dumps({"header": {}, "deleted": "9"})

    def service(command: list[str]) -> tuple[int, str]:
        found.happens(" ".join(command[3:-1]))
        return 0, json.dumps({"full": "2026-11-23T12:00:00.000Z"})

    containers["backup-1"].answer = service
    for number in (1, 2, 3):
        containers[f"etcd-{number}"].answer = etcd
    for member in MEMBERS:
        monkeypatch.setattr(containers[member], "stop", stopper(found, containers[member]))

    def apply(project: Any, _client: Any) -> Any:
        def up(steps: Any) -> bool:
            found.happens(f"apply {json.dumps(project.recovery)}")
            for member in MEMBERS:
                (found.data(member) / "main").mkdir(exist_ok=True)
                containers[member].state = "running"
            return True

        return SimpleNamespace(up=up)

    monkeypatch.setattr(Project, "settings", SimpleNamespace())
    stack.project.directory.mkdir(parents=True, exist_ok=True)
    status = SimpleNamespace(leader="postgres-2")
    monkeypatch.setattr(stack, "postgres_status", lambda: status)
    monkeypatch.setattr(module, "applier", apply)
    monkeypatch.setattr(module, "write_credentials", lambda project, by: None)
    monkeypatch.setattr(
        module, "wait_until_healthy", lambda cluster, steps, seconds: found.happens("healthy")
    )
    monkeypatch.setattr(module, "switch_wal", lambda cluster: True)
    monkeypatch.setattr(module, "reachable", lambda cluster, text, tell: Point("time", text))
    monkeypatch.setattr(module, "_mark", lambda now: f"T{len(found.log)}")
    return found


def stopper(world: World, container: Any) -> Callable[[int], None]:
    def stop(timeout: int) -> None:
        assert timeout == 60
        assert container.state != "paused"
        container.state = "exited"
        world.happens(f"stop {container.member}")

    return stop


def restore(stack: Cluster, to: str = TO, yes: bool = True) -> str:
    return module.restore(stack, stack._client, to, Steps(), yes=yes)


# Redis is left alone.
RECOVERY = f'apply {{"source": "vault", "to": "{TO}", "redis": false}}'
WHOLE = [
    "stop postgres-1",
    "stop postgres-3",
    "stop postgres-2",
    "clear",
    "postgres-1 T0",
    "postgres-2 T0",
    "postgres-3 T0",
    RECOVERY,
    "healthy",
    "want-full",
    "apply null",
]


def in_order(log: list[str]) -> list[str]:
    """Standbys stop together: whichever comes first."""
    return sorted(log[:2]) + log[2:]


def test_members_stop_keys_go_data_is_set_aside_and_the_stack_begins_with_the_vault(
    stack: Cluster, world: World
) -> None:
    assert restore(stack) == "2026-11-23 11:50:00 UTC"
    assert in_order(world.log) == WHOLE
    for member in MEMBERS:
        assert world.names(member) == ["main", "main.before-T0"]
        assert (world.data(member) / "main.before-T0" / "PG_VERSION").exists()
    assert under_way.in_place(stack.project).read() is None


def test_only_this_clusters_keys_are_cleared(
    stack: Cluster, world: World, containers: dict[str, Any]
) -> None:
    restore(stack)
    (asked,) = containers["etcd-1"].asked
    body = json.loads(asked[asked.index("--data") + 1])
    key, end = (base64.b64decode(body[name]).decode() for name in ("key", "range_end"))
    assert key == KEYS
    assert key < f"{KEYS}leader" < end
    assert not key <= "/selfmonitor/selfmonitor-local2/leader" < end
    assert asked[-1] == "https://localhost:2379/v3/kv/deleterange"
    assert asked[asked.index("--cert") :][:2] == ["--cert", "/etc/selfmonitor/tls.crt"]


def test_an_etcd_member_that_does_not_answer_is_not_the_last_one_asked(
    stack: Cluster, world: World, containers: dict[str, Any]
) -> None:
    containers["etcd-1"].answer = lambda command: (28, "")
    containers["etcd-2"].answer = lambda command: (0, "no JSON")
    restore(stack)
    assert in_order(world.log) == WHOLE


def test_a_store_that_does_not_forget_stops_it_and_the_same_command_goes_on(
    stack: Cluster, world: World, containers: dict[str, Any]
) -> None:
    answers = {name: containers[name].answer for name in ("etcd-1", "etcd-2", "etcd-3")}
    for name in answers:
        containers[name].answer = lambda command: (22, "")
    with pytest.raises(OperationFailed, match="no etcd member forgets the cluster"):
        restore(stack)
    assert all(world.names(member) == ["main"] for member in MEMBERS)
    for name, answer in answers.items():
        containers[name].answer = answer
    restore(stack)
    assert in_order(world.log) == WHOLE


def test_a_one_shot_has_the_members_data_and_nothing_else(stack: Cluster, world: World) -> None:
    restore(stack)
    spec = world.specs[0]
    assert spec["image"] == "sha256:postgres"
    assert spec["volumes"] == {
        "selfmonitor-local-postgres-1-data": {"bind": "/var/lib/postgresql", "mode": "rw"}
    }
    assert (spec["network_mode"], spec["user"], spec["cap_drop"], spec["read_only"]) == (
        *("none", "10001:10001", ["ALL"], True),
    )


def test_who_makes_roles_and_databases_looks_again(stack: Cluster, world: World) -> None:
    world.jobs.append(SimpleNamespace(remove=lambda v, force: world.happens("remove provision")))
    restore(stack)
    assert world.log.index("remove provision") < world.log.index(RECOVERY)


@pytest.mark.parametrize("moment", WHOLE[:-1])
def test_killed_anywhere_the_same_command_goes_on(
    stack: Cluster, world: World, moment: str
) -> None:
    """And what is kept is what there was before, whole, on every member."""
    world.die_at = moment
    with pytest.raises(Killed):
        restore(stack)
    restore(stack)
    assert world.log[-4:] == [RECOVERY, "healthy", "want-full", "apply null"]
    for member in MEMBERS:
        (old,) = [name for name in world.names(member) if name != "main"]
        assert (world.data(member) / old / "PG_VERSION").exists()


@pytest.mark.parametrize("moment", ["postgres-2 T0", RECOVERY, "healthy"])
def test_meanwhile_up_names_the_command_that_goes_on(
    stack: Cluster, world: World, moment: str
) -> None:
    world.die_at = moment
    with pytest.raises(Killed):
        restore(stack)
    with pytest.raises(UserError, match=f"restore --into in-place --to {TO} goes on"):
        from_backup.refuse_during_restore(stack.project)


@pytest.mark.parametrize("moment", ["stop postgres-1", "stop postgres-2"])
def test_before_anything_was_changed_up_gives_it_up(
    stack: Cluster, world: World, moment: str
) -> None:
    world.die_at = moment
    with pytest.raises(Killed):
        restore(stack)
    from_backup.refuse_during_restore(stack.project)
    assert under_way.in_place(stack.project).read() is None


def test_another_point_begins_anew_and_keeps_all_there_is(stack: Cluster, world: World) -> None:
    world.die_at = "healthy"
    with pytest.raises(Killed):
        restore(stack)
    other = "2026-11-23T11:40:00.000000Z"
    restore(stack, other)
    assert RECOVERY.replace(TO, other) in world.log
    assert under_way.in_place(stack.project).read() is None
    for member in MEMBERS:
        names = world.names(member)
        assert len(names) == 3
        assert "main.before-T0" in names


def test_a_time_ago_stays_the_one_it_was(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(["2026-11-23T11:50:00Z", "2026-11-23T11:59:00Z"])
    monkeypatch.setattr(module, "fixed", lambda text: next(times))
    world.die_at = "clear"
    with pytest.raises(Killed):
        restore(stack, "10 minutes ago")
    restore(stack, "10 minutes ago")
    assert RECOVERY.replace(TO, "2026-11-23T11:50:00Z") in world.log


def test_data_that_came_back_by_itself_is_not_moved_into_the_old(
    stack: Cluster, world: World
) -> None:
    world.die_at = "postgres-1 T0"
    with pytest.raises(Killed):
        restore(stack)
    (world.data("postgres-1") / "main").mkdir()
    with pytest.raises(OperationFailed, match=r"both main and main\.before-T0 are there"):
        restore(stack)


def test_a_member_without_data_is_left_as_it_is(stack: Cluster, world: World) -> None:
    (world.data("postgres-3") / "main" / "PG_VERSION").unlink()
    (world.data("postgres-3") / "main").rmdir()
    restore(stack)
    assert world.names("postgres-3") == ["main"]


def test_a_point_outside_the_window_changes_nothing(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(cluster: Any, text: str, tell: Any) -> Point:
        raise UserError("it is outside the window")

    monkeypatch.setattr(module, "reachable", refuses)
    with pytest.raises(UserError, match="outside the window"):
        restore(stack)
    assert world.log == []
    assert under_way.in_place(stack.project).read() is None


def test_what_the_stack_could_not_be_applied_with_stops_nothing(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(project: Project) -> Any:
        raise SettingsError("recovery: is wrong")

    monkeypatch.setattr(Project, "settings", property(refuses))
    with pytest.raises(SettingsError):
        restore(stack)
    assert world.log == []
    assert under_way.in_place(stack.project).read() is None


@pytest.mark.parametrize("typed", ["", "yes", "other\n"])
def test_it_is_confirmed_with_the_stacks_name(
    stack: Cluster, world: World, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.prompt", lambda *_, **__: typed)
    with pytest.raises(UserError, match="not confirmed: nothing was changed by this"):
        restore(stack, yes=False)
    assert world.log == []
    assert under_way.in_place(stack.project).read() is None


def test_the_name_typed_lets_it_go_on(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("click.prompt", lambda *_, **__: "local")
    restore(stack, yes=False)
    assert "what was committed later is no longer in it" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["etcd", "postgres"])
def test_a_stack_that_is_not_up_is_refused_before_anything(
    stack: Cluster, world: World, containers: dict[str, Any], missing: str
) -> None:
    for name in [name for name in containers if name.startswith(missing)]:
        del containers[name]
    with pytest.raises(UserError, match="stack local is not up"):
        restore(stack)
    assert world.log == []


def test_a_frozen_member_is_woken_to_be_stopped(
    stack: Cluster, world: World, containers: dict[str, Any]
) -> None:
    containers["postgres-1"].state = "paused"
    restore(stack)
    assert in_order(world.log) == WHOLE


def test_a_vault_that_takes_no_wal_is_told_and_does_not_stop_it(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(module, "switch_wal", lambda cluster: False)
    restore(stack)
    assert "the last WAL did not reach the vault" in capsys.readouterr().err


def test_that_no_full_backup_could_be_asked_for_is_told_and_does_not_undo_the_restore(
    stack: Cluster, world: World, containers: dict[str, Any], capsys: Any
) -> None:
    containers["backup-1"].answer = lambda command: (1, "")
    assert restore(stack) == "2026-11-23 11:50:00 UTC"
    said = capsys.readouterr().err
    assert "no full backup was asked for" in said
    assert "./selfmonitor backup now --kind full" in said
    assert under_way.in_place(stack.project).read() is None


# Old data.


def test_old_data_is_deleted_once_it_is_confirmed(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    restore(stack)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "no")
    with pytest.raises(UserError, match="nothing was deleted"):
        module.forget_old_data(stack, stack._client, Steps(), yes=False)
    assert world.names("postgres-1") == ["main", "main.before-T0"]
    assert "postgres-1  main.before-T0  " in capsys.readouterr().err
    module.forget_old_data(stack, stack._client, Steps(), yes=True)
    assert all(world.names(member) == ["main"] for member in MEMBERS)


def test_where_there_is_none_nothing_is_asked(stack: Cluster, world: World, capsys: Any) -> None:
    module.forget_old_data(stack, stack._client, Steps(), yes=False)
    assert capsys.readouterr().out == "no member of stack local keeps old data\n"


def test_old_data_is_not_deleted_while_it_is_all_there_is(stack: Cluster, world: World) -> None:
    world.die_at = "healthy"
    with pytest.raises(Killed):
        restore(stack)
    with pytest.raises(UserError, match="its old data is all there is"):
        module.forget_old_data(stack, stack._client, Steps(), yes=True)


# The command.


def test_the_command_says_what_is_kept_and_how_to_be_rid_of_it(
    stack: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.docker_engine, "require", lambda: stack._client)
    monkeypatch.setattr(command, "Cluster", lambda project, client: stack)
    result = CliRunner().invoke(
        command.restore,
        ["--to", TO, "--into", "in-place", "--yes"],
        obj=stack.project,
        standalone_mode=False,
        catch_exceptions=False,
    )
    assert "stack local is as of 2026-11-23 11:50:00 UTC" in result.stdout
    assert "./selfmonitor restore --forget-old-data deletes it" in result.stdout
