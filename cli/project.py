"""Which project, which stack, and where its state is kept."""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from cli.errors import OperationFailed, UserError
from settings.load import PROJECT, engine_configuration, from_engine, stack_file
from settings.stack import StackSettings

ROOT = Path(__file__).resolve().parent.parent
# Docker names and labels are made of it.
STACK_NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}$")


@dataclass(frozen=True)
class Project:
    """One stack of the project at `root`; `config_file` overrides Pulumi.<stack>.yaml.

    recovery: the stack begins with what its vault holds (settings.backup.RecoverySettings). It
    stands in no file, because it is meant for one run.
    """

    root: Path
    stack: str
    config_file: Path | None = None
    recovery: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not STACK_NAME.fullmatch(self.stack):
            raise UserError(
                f"stack {self.stack!r} is not a name: small letters, digits and dashes, "
                "beginning with a letter, at most 31"
            )

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The engine's flat configuration. Raises SettingsError."""
        found = engine_configuration(self.root, self.settings_file)
        if self.recovery is not None:
            found[f"{PROJECT}:recovery"] = json.dumps(self.recovery)
        return found

    @property
    def settings_file(self) -> Path:
        """The stack file. Raises SettingsError when there is none."""
        return self.config_file or stack_file(self.root, self.stack)

    def recovering(
        self, source: str, to: str | None, *, redis: bool = True, redis_before: str | None = None
    ) -> "Project":
        """The same stack, for a run that begins with its backups; to None: all there is.

        redis: it gets what it lacks of its newest snapshot, of those taken by `redis_before`.
        """
        recovery: dict[str, Any] = {"source": source}
        if to is not None:
            recovery["to"] = to
        if not redis:
            recovery["redis"] = False
        elif redis_before is not None:
            recovery["redis_before"] = redis_before
        return replace(self, recovery=recovery)

    @cached_property
    def settings(self) -> StackSettings:
        """Raises SettingsError."""
        return from_engine(self.configuration, self.stack)

    @property
    def on_kubernetes(self) -> bool:
        """Whether the stack file says so. Raises SettingsError when it cannot be read.

        What is left on Docker of a stack whose file is gone can still be looked at and taken down.
        """
        if self.config_file is None and not (self.root / f"Pulumi.{self.stack}.yaml").exists():
            return False
        return self.configuration.get(f"{PROJECT}:platform") == "kubernetes"

    def must_be_on_docker(self, what: str, instead: str) -> None:
        """Raises UserError on another platform, before anything is asked of Docker."""
        if self.on_kubernetes:
            raise UserError(
                f"{what} is for Docker, and stack {self.stack} runs on Kubernetes: {instead}"
            )

    @property
    def directory(self) -> Path:
        """Where the stack's state is: mode 0700, never committed."""
        return self.root / ".selfmonitor" / self.stack

    @property
    def state_file(self) -> Path:
        """State of the applier without the Pulumi CLI."""
        return self.directory / "state.json"

    @property
    def authority_file(self) -> Path:
        """The stack's certificate authority, for clients. Public."""
        return self.directory / "ca.crt"

    @property
    def application_certificate_file(self) -> Path:
        """What an application shows to Redis and Sentinel where no router is in between. Public."""
        return self.directory / "application.crt"

    @property
    def application_key_file(self) -> Path:
        """The certificate's key. Secret."""
        return self.directory / "application.key"

    def forget(self) -> None:
        """Deletes the stack's state and secrets; the lock, which is held, stays."""
        for path in self.directory.iterdir():
            if path.name != "lock":
                path.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One change of a stack at a time. Raises OperationFailed when another is under way."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise UserError(
                f"{error.filename} may not be written by this user: run it as the user who "
                f"brought stack {self.stack} up"
            ) from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 64, 0).decode(errors="replace").strip()
                raise OperationFailed(
                    f"stack {self.stack} is being changed by another command"
                    f"{f' (process {holder})' if holder else ''}: wait until it is done"
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            # Closing gives the lock back; so does the end of the process, however it ends.
            os.close(handle)


def command_line(stack: str) -> str:
    """How a stack's commands begin."""
    return "./selfmonitor" + ("" if stack == "local" else f" -s {stack}")


def current_project(context: click.Context) -> Project:
    """The project the command line names."""
    project = context.find_object(Project)
    assert project is not None
    return project


__all__ = ["PROJECT", "ROOT", "Project", "command_line", "current_project"]
