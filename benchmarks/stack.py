"""The stack that is measured, and the dated record of what was."""

import datetime
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.docker_cluster import DockerCluster
from cli.drill.vault_scene import moment
from cli.drill.vault_service import LONG_SECONDS, Answer, InContainers
from cli.errors import OperationFailed
from cli.host import docker_engine
from cli.project import ROOT, Project

RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Stack:
    """A stack that is up. command: the beginning of the command line of `selfmonitor` for it."""

    cluster: DockerCluster
    client: Any
    command: tuple[str, ...]

    @property
    def service(self) -> InContainers:
        """The backup system."""
        return InContainers(self.cluster)

    def must(self, member: str, *arguments: str) -> Answer:
        """Asks the backup system for what has to succeed. Raises OperationFailed."""
        answer = self.service.ask(member, *arguments, seconds=LONG_SECONDS)
        if answer.status:
            raise OperationFailed(answer.failure())
        return answer

    def window(self) -> tuple[datetime.datetime, datetime.datetime] | None:
        """From when to when it is recoverable; None: it is not."""
        found = self.service.ask("backup-1", "info").value().get("window")
        return (moment(found["begin"]), moment(found["end"])) if found else None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of `selfmonitor`, to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )


def opened(name: str) -> Stack:
    """The stack of that name. Raises UserError when there is no Docker Engine."""
    client = docker_engine.require()
    cluster = DockerCluster(Project(ROOT, name), client)
    return Stack(cluster, client, (str(ROOT / "selfmonitor"), "-s", name))


def machine() -> dict[str, Any]:
    """Where it was measured."""
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
    }


def write(name: str, parts: dict[str, Any], directory: Path | None = None) -> Path:
    """Puts what was measured into today's record; other parts of it stay. Returns its path."""
    now = datetime.datetime.now(datetime.UTC)
    target = (directory or RESULTS / now.date().isoformat()) / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(target.read_text()) if target.exists() else {}
    record |= {
        "command": f"python -m benchmarks.{name} {' '.join(sys.argv[1:])}".rstrip(),
        "at": now.isoformat(timespec="seconds"),
        "machine": machine(),
        **parts,
    }
    new = target.with_suffix(".new")
    new.write_text(json.dumps(record, indent=1) + "\n")
    new.replace(target)
    return target
