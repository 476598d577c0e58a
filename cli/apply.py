"""Applies a stack: with the Pulumi CLI where it is installed, otherwise with standalone/."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cli import policy_pack, under_way
from cli.console import Step, Steps
from cli.errors import OperationFailed, UserError
from cli.project import PROJECT, Project
from platforms.docker_names import (
    LABEL_IDENTITY,
    LABEL_ROLE,
    LABEL_STACK,
    LABEL_WORKLOAD,
    ROLE_DATA,
    object_name,
)
from standalone.plan import Action
from standalone.plan import Step as PlanStep

if TYPE_CHECKING:
    import docker

    from policies.evaluate import Evaluation
    from standalone.engine import Engine

# The order in which workloads stop: who depends on others first. Those not named stop first;
# Sentinels among them, before what they watch: a failover would lead nowhere. A primary that stops
# still hands its last WAL to the vault.
STOP_LAST = ("redis", "postgres", "etcd", "vault-copy", "vault")
# Whose data outlives the databases' own, with --keep-vault.
VAULTS = ("vault", "vault-copy")


@dataclass(frozen=True)
class Plan:
    """What `up` would do, in order, unchanged resources included, and what the policy pack says.

    warnings: what the program warned of.
    """

    steps: tuple[PlanStep, ...]
    judged: "Evaluation"
    warnings: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """Whether it was held against what there is."""
        return all(step.change.action is not Action.REGISTER for step in self.steps)


class Applier(Protocol):
    """One way to make a stack what its stack file says."""

    title: str

    def up(self, steps: Steps) -> bool:
        """Applies; returns whether anything was changed. Raises OperationFailed."""
        ...

    def plan(self) -> Plan:
        """What `up` would do, and whether it may. Changes nothing."""
        ...

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text. Empty when it was never up."""
        ...

    def down(self, steps: Steps, *, volumes: bool, keep_vault: bool = False) -> None:
        """Stops and removes containers and networks; with `volumes`, all data and secrets too.

        With `keep_vault` the vaults' data and the secrets stay.
        """
        ...


def applier(project: Project, client: "docker.DockerClient | None") -> Applier:
    """The way this stack was brought up before, otherwise the Pulumi CLI if it is there.

    client: None for a stack on Kubernetes. Raises UserError where the CLI is needed and missing.
    """
    if project.on_kubernetes:
        if shutil.which("pulumi") is None:
            raise UserError(
                f"stack {project.stack} runs on Kubernetes, which takes the Pulumi CLI, and there "
                "is no pulumi on the PATH: https://www.pulumi.com/docs/iac/download-install/"
            )
        return PulumiApplier(project)
    assert client is not None
    if not project.state_file.exists() and shutil.which("pulumi"):
        orphaned = data_volumes(project, client)
        if not any(LABEL_IDENTITY in (volume.attrs["Labels"] or {}) for volume in orphaned):
            return PulumiApplier(project, client)
        # Made without the CLI, and without its state: refused there, and taken down there.
    return StandaloneApplier(project, client)


def outputs_on_kubernetes(project: Project) -> dict[str, Any]:
    """The outputs of a stack there: the Pulumi CLI's, or those of a state file, where there is one.

    Raises UserError.
    """
    from standalone.state import State, StateError

    if not project.state_file.exists():
        return applier(project, None).outputs()
    try:
        return dict(State(project.state_file, PROJECT, project.stack).outputs)
    except StateError as error:
        raise UserError(str(error)) from None


def data_volumes(project: Project, client: "docker.DockerClient") -> list[Any]:
    """Volumes that hold the stack's data."""
    mine = {"label": [f"{LABEL_STACK}={project.stack}", f"{LABEL_ROLE}={ROLE_DATA}"]}
    return list(client.volumes.list(filters=mine))


def _deleted(volumes: list[Any], *, keep_vault: bool) -> list[Any]:
    """Of these volumes those that `down --volumes` deletes."""

    def kept(volume: Any) -> bool:
        labels = volume.attrs["Labels"] or {}
        return labels.get(LABEL_ROLE) == ROLE_DATA and labels.get(LABEL_WORKLOAD) in VAULTS

    return [each for each in volumes if not (keep_vault and kept(each))]


def _forget(project: Project, *, keep_vault: bool) -> None:
    """What is no longer true once data is deleted."""
    if keep_vault:
        under_way.in_place(project).remove()
        under_way.from_backup(project).remove()
    else:
        project.forget()


def _orphaned(project: Project) -> str:
    return (
        f"{project.state_file} is missing, but data volumes of stack {project.stack} exist, whose "
        "passwords were in it: put the state file back, or give the data up with "
        f"./selfmonitor -s {project.stack} down --volumes"
    )


class StandaloneApplier:
    """The program against standalone/'s own monitor."""

    title = "without the Pulumi CLI"

    def __init__(self, project: Project, client: "docker.DockerClient") -> None:
        self._project = project
        self._client = client

    def _state(self) -> Any:
        from standalone.state import State, StateError

        try:
            state = State(self._project.state_file, PROJECT, self._project.stack)
        except StateError as error:
            raise UserError(str(error)) from None
        if not self._project.state_file.exists():
            self._refuse_orphaned_data()
        return state

    def _refuse_orphaned_data(self) -> None:
        """Data without its passwords: new ones would lock everybody out of the old data."""
        volumes = data_volumes(self._project, self._client)
        if any(LABEL_IDENTITY in (volume.attrs["Labels"] or {}) for volume in volumes):
            raise UserError(_orphaned(self._project))
        if volumes:
            raise UserError(
                f"stack {self._project.stack} was brought up with the Pulumi CLI, which is not on "
                "the PATH: put it there"
            )

    def _run(
        self,
        *,
        dry_run: bool,
        report: Callable[[PlanStep], None],
        progress: Callable[[str, str], None],
    ) -> "Engine":
        import docker.errors
        import pulumi

        from standalone.engine import Engine, UnsupportedResource
        from standalone.plan import ApplyError

        state = self._state()
        if not dry_run:
            state.begin()
        engine = Engine(
            self._client,
            state,
            self._project.stack,
            dry_run=dry_run,
            report=report,
            progress=progress,
        )
        try:
            engine.run(self._project.root, self._project.configuration, PROJECT)
        except ApplyError as error:
            raise OperationFailed(str(error), error.details) from None
        except (UnsupportedResource, pulumi.RunError) as error:
            raise UserError(str(error)) from None
        except docker.errors.DockerException as error:
            raise OperationFailed(f"Docker Engine refused: {error}") from None
        return engine

    def up(self, steps: Steps) -> bool:
        """See Applier.up."""
        board = _Board(steps)
        try:
            self._run(dry_run=False, report=board.done, progress=board.progress)
        except BaseException:
            board.abandon()
            raise
        board.close()
        return board.changed

    def plan(self) -> Plan:
        """See Applier.plan."""
        found: list[PlanStep] = []
        engine = self._run(dry_run=True, report=found.append, progress=lambda name, text: None)
        found.sort(key=lambda step: (_KINDS.index(step.kind), step.name))
        return Plan(tuple(found), policy_pack.judge(self._project, engine.registered))

    def outputs(self) -> dict[str, Any]:
        """See Applier.outputs."""
        return dict(self._state().outputs)

    def down(self, steps: Steps, *, volumes: bool, keep_vault: bool = False) -> None:
        """See Applier.down. Needs no readable state: it goes by labels."""
        mine: dict[str, Any] = {"label": f"{LABEL_STACK}={self._project.stack}"}
        containers = self._client.containers.list(all=True, filters=mine, ignore_removed=True)
        for group in _stop_order(containers):
            names = ", ".join(sorted({c.labels.get(LABEL_WORKLOAD, c.name) for c in group}))
            with steps.step(f"stopping {names}"):
                _remove_together(group)
        for network in self._client.networks.list(filters=mine):
            network.remove()
        if volumes:
            what = "the databases' data" if keep_vault else "data, backups, passwords and keys"
            with steps.step(f"removing {what}"):
                found = self._client.volumes.list(filters=mine)
                for volume in _deleted(found, keep_vault=keep_vault):
                    volume.remove()
                _forget(self._project, keep_vault=keep_vault)


_KINDS = ("image", "network", "volume", "password", "key", "request", "certificate", "container")


def _stop_order(containers: list[Any]) -> Iterator[list[Any]]:
    def of(*workloads: str) -> list[Any]:
        return [c for c in containers if c.labels.get(LABEL_WORKLOAD) in workloads]

    first = [c for c in containers if c.labels.get(LABEL_WORKLOAD) not in STOP_LAST]
    yield from (group for group in (first, *map(of, STOP_LAST)) if group)


def _remove_together(containers: list[Any]) -> None:
    """Stops all at once, each within its own grace period, then removes them."""
    from concurrent.futures import ThreadPoolExecutor

    import docker.errors

    def remove(container: Any) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            if container.status == "paused":
                container.unpause()
            # Docker's own default of 10 s would cut PostgreSQL's shutdown short.
            grace = container.attrs["Config"].get("StopTimeout") or 10
            container.stop(timeout=grace)
            container.remove(v=True, force=True)

    with ThreadPoolExecutor(max_workers=len(containers)) as pool:
        list(pool.map(remove, containers))


class _Board:
    """Turns the engine's reports, which come from several threads, into steps a person follows."""

    VERBS: ClassVar[dict[Action, str]] = {
        Action.CREATE: "",
        Action.REPLACE: "replaced",
        Action.UPDATE: "woken",
        Action.DELETE: "removed",
    }
    # These take a moment each and are many: one line for all of a kind.
    SUMMED: ClassVar[dict[str, str]] = {
        "volume": "volumes",
        "password": "passwords",
        "key": "keys",
        "request": "requests",
        "certificate": "certificates",
    }

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._open: dict[str, Step] = {}
        self._sums: dict[str, int] = {}
        self.changed = False

    def progress(self, name: str, text: str) -> None:
        """Something is under way."""
        if name not in self._open:
            self._open[name] = self._steps.begin(_short(name))
        self._open[name].update(text)

    def done(self, step: PlanStep) -> None:
        """A resource is as declared."""
        running = self._open.pop(step.name, None)
        if step.change.action is Action.UNCHANGED:
            if running is not None:
                self._steps.discard(running)
            return
        self.changed = True
        if step.kind in self.SUMMED:
            self._sums[step.kind] = self._sums.get(step.kind, 0) + 1
            return
        if step.kind == "container" and step.name.endswith("-files"):
            if running is not None:
                self._steps.discard(running)
            self._sums["files"] = self._sums.get("files", 0) + 1
            return
        title = f"{step.kind} {_short(step.name)}"
        verb = self.VERBS[step.change.action]
        if verb:
            title += f" {verb}"
            if step.change.reason:
                title += f" ({step.change.reason})"
        running = running or self._steps.begin(title)
        running.title = title
        running.begun -= max(0.0, (step.seconds or 0.0) - (_now() - running.begun))
        self._steps.finish(running)

    def close(self) -> None:
        """All went well."""
        for kind, number in self._sums.items():
            if kind in self.SUMMED:
                self._steps.line(f"✓ {self.SUMMED[kind]}: {number}")
            else:
                self._steps.line(f"✓ files delivered, containers: {number}")

    def abandon(self) -> None:
        """It failed: what was under way is shown as such."""
        for step in self._open.values():
            self._steps.finish(step, "✗")


def _now() -> float:
    import time

    return time.monotonic()


def _short(name: str) -> str:
    """“postgres-1” for “selfmonitor-local-postgres-1”."""
    parts = name.split("-", 2)
    return parts[2] if len(parts) == 3 and parts[0] == "selfmonitor" else name


class PulumiApplier:
    """The program under the real engine, with a local file backend unless one is configured."""

    title = "with the Pulumi CLI"
    # Everything but passwords, keys, images and data.
    STOPPED = (
        "**docker:index/container:Container**",
        "**docker:index/network:Network**",
    )
    # What runs, and what depends on it: the Services by which clients come in.
    STOPPED_ON_KUBERNETES = (
        "**kubernetes:apps/v1:StatefulSet**",
        "**kubernetes:batch/v1:CronJob**",
        "**kubernetes:batch/v1:Job**",
    )

    def __init__(self, project: Project, client: "docker.DockerClient | None" = None) -> None:
        self._project = project
        self._client = client

    def _environment(self) -> dict[str, str]:
        environment = {"PULUMI_SKIP_UPDATE_CHECK": "true", **os.environ}
        environment["PATH"] = policy_pack.path()
        # Without it the CLI has no --event-log.
        environment["PULUMI_DEBUG_COMMANDS"] = "true"
        if "PULUMI_BACKEND_URL" not in environment:
            backend = self._project.root / ".selfmonitor" / "pulumi"
            backend.mkdir(parents=True, exist_ok=True, mode=0o700)
            environment["PULUMI_BACKEND_URL"] = f"file://{backend}"
        if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & environment.keys():
            from standalone.state import replace_file

            path = self._project.directory / "passphrase"
            if not path.exists():
                replace_file(path, secrets.token_urlsafe(32).encode())
            environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(path)
        return environment

    def _command(self, *arguments: str, config_file: Path | None = None) -> list[str]:
        command = ["pulumi", *arguments, "--non-interactive", "--cwd", str(self._project.root)]
        config_file = config_file or self._project.config_file
        if config_file is not None and arguments[0] in ("up", "preview", "destroy"):
            command += ["--config-file", str(config_file)]
        return command

    @contextlib.contextmanager
    def _recovery_file(self) -> Iterator[Path | None]:
        """The stack file with the recovery in it, for one run; None when there is no recovery."""
        if self._project.recovery is None:
            yield None
            return
        import yaml

        from standalone.state import replace_file

        content = yaml.safe_load(self._project.settings_file.read_text(encoding="utf-8")) or {}
        config = {
            name: value
            for name, value in (content.get("config") or {}).items()
            if name not in ("recovery", f"{PROJECT}:recovery")
        }
        config[f"{PROJECT}:recovery"] = dict(self._project.recovery)
        path = self._project.directory / f"Pulumi.{self._project.stack}.recovery.yaml"
        replace_file(path, yaml.safe_dump({**content, "config": config}).encode())
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _select(self) -> None:
        done = subprocess.run(
            self._command("stack", "select", "--create", self._project.stack),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OperationFailed("pulumi stack select failed", tuple(done.stderr.splitlines()))

    def _run(self, *arguments: str, config_file: Path | None = None) -> int:
        """Runs the CLI with its own display on the terminal; returns its exit status."""
        return subprocess.run(
            self._command(*arguments, "--stack", self._project.stack, config_file=config_file),
            env=self._environment(),
            stdout=2,
            check=False,
        ).returncode

    def _stream(self, *arguments: str, config_file: Path | None = None) -> None:
        """The same for a run that must not fail."""
        if self._run(*arguments, config_file=config_file):
            raise OperationFailed(f"pulumi {arguments[0]} failed (see above)")

    def up(self, steps: Steps) -> bool:
        """See Applier.up. The CLI previews first: controls that join resources are asked there, and
        at the update itself only when all is made.
        """
        pack = policy_pack.arguments(self._project)
        self._select()
        # What a disaster or a restore in place took away, the CLI's own state still has.
        refresh = ["--refresh"] if self._project.recovery is not None else []
        with self._recovery_file() as config_file:
            self._stream("up", "--yes", *pack, *refresh, config_file=config_file)
        return True

    def plan(self) -> Plan:
        """See Applier.plan. The CLI shows its own as well."""
        from cli import pulumi_events

        pack = policy_pack.arguments(self._project)
        self._select()
        # Only this user may enter it.
        with tempfile.TemporaryDirectory(prefix="selfmonitor-") as folder:
            log = Path(folder) / "events"
            status = self._run("preview", "--diff", *pack, "--event-log", str(log))
            text = log.read_text(encoding="utf-8") if log.exists() else ""
        events = pulumi_events.read(text)
        judged = pulumi_events.said(events)
        if status and not judged.blocks:
            raise OperationFailed(
                "pulumi preview failed (see above)", tuple(pulumi_events.errors(events))
            )
        return Plan(tuple(pulumi_events.steps(events)), judged, pulumi_events.warnings(events))

    def outputs(self) -> dict[str, Any]:
        """See Applier.outputs."""
        done = subprocess.run(
            self._command(
                "stack", "output", "--json", "--show-secrets", "--stack", self._project.stack
            ),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if "no stack named" in done.stderr:
            return {}
        if done.returncode:
            raise OperationFailed("pulumi stack output failed", tuple(done.stderr.splitlines()))
        outputs: dict[str, Any] = json.loads(done.stdout)
        return outputs

    def down(self, steps: Steps, *, volumes: bool, keep_vault: bool = False) -> None:
        """See Applier.down. On Kubernetes data is never deleted here: see cli.down."""
        self._select()
        if volumes and not keep_vault:
            self._stream("destroy", "--yes", "--skip-preview")
            _forget(self._project, keep_vault=False)
            return
        on_kubernetes = self._project.on_kubernetes
        stopped = list(self.STOPPED_ON_KUBERNETES if on_kubernetes else self.STOPPED)
        if volumes:
            assert self._client is not None
            mine = {"label": f"{LABEL_STACK}={self._project.stack}"}
            found = self._client.volumes.list(filters=mine)
            # A volume's resource is called as the volume is, without the stack.
            prefix = object_name(self._project.stack, "")
            stopped += [
                f"**docker:index/volume:Volume::{each.name.removeprefix(prefix)}"
                for each in _deleted(found, keep_vault=True)
            ]
        targets = [word for each in stopped for word in ("--target", each)]
        self._stream("destroy", "--yes", "--skip-preview", "--target-dependents", *targets)
        if volumes:
            _forget(self._project, keep_vault=True)
