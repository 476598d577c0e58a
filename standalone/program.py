"""Runs the Pulumi program in this process, with something else in the engine's place."""

import asyncio
import contextlib
import contextvars
import logging
import os
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import run_pulumi_func


def run_program(
    root: Path,
    configuration: Mapping[str, str],
    project: str,
    stack: str,
    *,
    mocks: pulumi.runtime.Mocks,
    monitor: MockMonitor,
    preview: bool,
    logger: logging.Logger | None = None,
) -> dict[str, Any]:
    """Runs the program at `root`; returns the stack's outputs.

    mocks, monitor: what becomes of the resources. logger: gets what the program has to say.
    Raises pulumi.RunError, or whatever the mocks do.
    """
    # A context of its own: the SDK keeps a run's outputs there, and one process may run the program
    # twice.
    return contextvars.copy_context().run(
        _run, root, dict(configuration), (mocks, project, stack, preview, logger, monitor)
    )


def _run(root: Path, configuration: dict[str, str], mocked: tuple[Any, ...]) -> dict[str, Any]:
    # What an earlier program that failed left waiting is not this one's.
    SETTINGS.outputs.clear()
    # The order matters: the loop before the mocks, and not run_in_stack, which would wait for a
    # root stack that the mocks have made already.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # One failure is reported once, as itself: the loop would complain of every other request that
    # was under way or never begun.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        pulumi.runtime.set_all_config(configuration)
        pulumi.runtime.set_mocks(*mocked)
        with _working_directory(root):
            return loop.run_until_complete(_program(root))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _program(root: Path) -> dict[str, Any]:
    def program() -> None:
        runpy.run_path(str(root / "__main__.py"), run_name="__main__")

    await run_pulumi_func(program)
    exported = getattr(pulumi.runtime.get_root_resource(), "outputs", {})
    return {
        name: await pulumi.Output.from_input(value).future() for name, value in exported.items()
    }


@contextlib.contextmanager
def _working_directory(path: Path) -> Iterator[None]:
    """The engine runs programs in their own folder; relative build contexts rely on it."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
