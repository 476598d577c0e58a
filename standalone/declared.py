"""What a program would register: nothing is made, and nobody is asked what there is."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi.runtime
from pulumi.runtime.mocks import MockMonitor

from standalone.program import run_program

STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Registered:
    """One RegisterResource request, as it went over the wire, and the URN it got."""

    urn: str
    request: Any


@dataclass
class Declaration:
    """All that a program registered, in its order. warnings: what it warned of."""

    registered: list[Registered] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class RegisteringMonitor(MockMonitor):
    """Keeps the requests. Called from several threads, which a list's append can bear."""

    def __init__(self, mocks: pulumi.runtime.Mocks, kept: list[Registered]) -> None:
        super().__init__(mocks)
        self._kept = kept

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        if request.type != STACK:
            urn = self.make_urn(request.parent, request.type, request.name)
            self._kept.append(Registered(urn, request))
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


class _FirstPreview(pulumi.runtime.Mocks):
    """Answers as at a first preview: what a provider would add is not known."""

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Provider functions: the program uses none."""
        raise NotImplementedError(f"{args.token} can be asked with the Pulumi CLI alone")

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """No id, and of the outputs those that were declared."""
        return "", dict(args.inputs)


class _Warnings(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record.getMessage())


def declare(root: Path, configuration: Mapping[str, str], project: str, stack: str) -> Declaration:
    """Runs the program at `root` as a first preview would. Raises pulumi.RunError."""
    found = Declaration()
    logger = logging.Logger("the program")
    logger.addHandler(_Warnings(found.warnings))
    mocks = _FirstPreview()
    run_program(
        root,
        configuration,
        project,
        stack,
        mocks=mocks,
        monitor=RegisteringMonitor(mocks, found.registered),
        preview=True,
        logger=logger,
    )
    return found
