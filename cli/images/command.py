"""selfmonitor images"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.console import Steps, is_plain
from cli.errors import UserError
from cli.figures import size
from cli.host import docker_engine
from cli.images import spdx
from cli.images.build import build as build_all
from cli.images.build import prepare
from cli.images.contents import Contents, look_into
from cli.images.push import push as push_all
from cli.project import Project, current_project
from platforms.image_context import BASE, folders, image_context, project_name
from platforms.image_reference import LOCK, read_lock
from settings.kubernetes import REGISTRY
from settings.unfilled import is_unfilled

if TYPE_CHECKING:
    import docker

PLAIN_WIDTH = 200

BILLS = click.option(
    "-o",
    "--output",
    "bills",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a software bill of materials of each image into this folder (SPDX 2.3).",
)


@click.group()
def images() -> None:
    """The images the stack runs: build them, see what they hold, push them."""


@images.command("list")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def list_(context: click.Context, output: str) -> None:
    """Show each image's name, size, and what was pushed of it."""
    project = current_project(context)
    found = described(docker_engine.require(), project.root)
    if output == "json":
        click.echo(json.dumps({"images": found}, indent=2))
        return
    rows = [
        (
            each["folder"],
            each["name"],
            size(each["size_bytes"]) or "not built",
            size(each["own_bytes"]),
            each["digest"] or each["pushed"],
        )
        for each in found
    ]
    _table(("image", "name", "size", "besides the base", "pushed"), rows)


def described(client: "docker.DockerClient", root: Path) -> list[dict[str, Any]]:
    """[{"folder", "name", "size_bytes", "own_bytes" (None: not built), "pushed": "yes", "no" or
    "changed since", "digest"}]. Raises SettingsError for a lock file that cannot be read.
    """
    import docker.errors

    def size_of(name: str) -> int | None:
        try:
            return int(client.images.get(name).attrs["Size"])
        except docker.errors.ImageNotFound:
            return None

    pushed = read_lock(root) if (root / LOCK).exists() else {}
    base = size_of(image_context(root, BASE).name)
    found = []
    for folder in folders(root):
        name = image_context(root, folder).name
        whole = size_of(name)
        entry = pushed.get(folder)
        entry = entry if isinstance(entry, Mapping) else {}
        current = entry.get("name") == project_name(root, folder)
        found.append(
            {
                "folder": folder,
                "name": name,
                "size_bytes": whole,
                "own_bytes": None if whole is None or base is None else whole - base,
                "pushed": "yes" if current else "changed since" if entry else "no",
                "digest": entry.get("digest") if current else None,
            }
        )
    return found


@images.command()
@BILLS
@click.pass_context
def build(context: click.Context, bills: Path | None) -> None:
    """Build what is not there yet, as up does on Docker; show sizes and packages."""
    project = current_project(context)
    make_room(bills)
    steps = Steps()
    with project.lock():
        client = prepare(project.root, steps)
        names = build_all(client, project.root, steps)
    _show(_contents(client, names, steps), bills)


@images.command()
@click.option(
    "--registry",
    metavar="HOST/PATH",
    help="Where to, e.g. registry.example.com/selfmonitor; the stack's kubernetes.registry by "
    "default.",
)
@BILLS
@click.pass_context
def push(context: click.Context, registry: str | None, bills: Path | None) -> None:
    """Build and push all images, and write their digests into images.lock.json.

    Log in before, with docker login. Commit the file: what is deployed is what it names.
    """
    project = current_project(context)
    where = chosen(project, registry)
    make_room(bills)
    steps = Steps()
    with project.lock():
        client = prepare(project.root, steps)
        names = build_all(client, project.root, steps)
        found = _contents(client, names, steps)
        push_all(client, project.root, where, names, steps)
    _show(found, bills)
    click.echo(f"{LOCK} names what {where} has now: commit it, and deploy")


def chosen(project: Project, registry: str | None) -> str:
    """The registry that is meant. Raises UserError, SettingsError."""
    if registry is None:
        settings = project.settings
        registry = settings.kubernetes.registry if settings.kubernetes else None
        if registry is None:
            raise UserError(
                f"stack {project.stack} names no kubernetes.registry: say which with "
                "--registry registry.example.com/selfmonitor, or another stack with -s"
            )
        if is_unfilled(registry):
            raise UserError(
                f"kubernetes.registry of stack {project.stack} is still {registry}: fill it in, "
                "or say which with --registry registry.example.com/selfmonitor"
            )
    if not re.fullmatch(REGISTRY, registry):
        raise UserError(
            f"--registry {registry!r} is none: a host, a port if need be and a path, in lower "
            "case and without a tag, e.g. registry.example.com/selfmonitor"
        )
    return registry


def make_room(bills: Path | None) -> None:
    """The folder for bills of materials, before minutes are spent on what goes into it. Raises
    UserError.
    """
    if bills is None:
        return
    try:
        bills.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"-o {bills}: cannot be made: {error.strerror}") from None
    if not os.access(bills, os.W_OK):
        raise UserError(f"-o {bills}: may not be written by this user")


def _contents(client: "docker.DockerClient", names: dict[str, str], steps: Steps) -> list[Contents]:
    base = client.images.get(names[BASE])
    found = []
    with steps.step("what they hold") as step:
        for folder, name in names.items():
            if folder != BASE:
                step.update(folder)
                found.append(look_into(client, folder, name, base))
    return found


def _show(found: list[Contents], bills: Path | None) -> None:
    rows = [
        (each.folder, each.name, size(each.size), size(each.own_size), each.numbers())
        for each in found
    ]
    _table(("image", "name", "size", "besides the base", "packages"), rows)
    if bills is None:
        return
    now = datetime.now(UTC)
    for each in found:
        text = json.dumps(spdx.document(each, now), indent=1) + "\n"
        (bills / f"{each.folder}.spdx.json").write_text(text, encoding="utf-8")
    click.echo(f"{len(found)} bills of materials in {bills}")


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in headings:
        right = title in ("size", "besides the base")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # A file or a program reads whole lines.
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    Console(no_color=is_plain(), highlight=False, width=width).print(table)
