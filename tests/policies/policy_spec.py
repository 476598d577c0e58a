"""The vocabulary of a control's spec, which is data. How to write one: policies/README.md."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from policies.contract import CONTROLS
from policies.evaluate import Registration

SPECS = Path(__file__).with_name("specs")

# How the wire says that a value is not known yet.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:production::shop::{token}::{name}"


def resource(
    token: str,
    name: str,
    properties: Mapping[str, Any] | None = None,
    *,
    taken_from: Mapping[str, "Registration | tuple[Registration, ...]"] | None = None,
    **options: Any,
) -> Registration:
    """taken_from: {property: the resource, or those, of whose outputs the program made it}."""
    references = {
        key: tuple(one.urn for one in (found if isinstance(found, tuple) else (found,)))
        for key, found in (taken_from or {}).items()
    }
    options.setdefault("references", references)
    return Registration(token, name, urn(token, name), dict(properties or {}), **options)


def stack(*resources: Registration) -> tuple[Registration, ...]:
    return resources


@dataclass(frozen=True)
class Case:
    """Resources, what is configured, and where the control finds fault: (resource, value's name).

    environment: where it is asked; the strictest if nothing is said.
    """

    resources: tuple[Registration, ...]
    at: tuple[tuple[str, str], ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    environment: str = "production"


def passes(*resources: Registration) -> Case:
    return Case(resources)


def fails(*resources: Registration, at: tuple[str, str] | tuple[tuple[str, str], ...]) -> Case:
    """at: one or more of (resource's name, value's name)."""
    many = at if isinstance(at[0], tuple) else (at,)
    return Case(resources, many)  # type: ignore[arg-type]


# What is not known is expected at the same places, as the control's own rule has it.
unseen = fails


def configured(
    configuration: Mapping[str, Any], case: Case, environment: str = "production"
) -> Case:
    """A case under other settings."""
    return Case(case.resources, case.at, configuration, environment)


@dataclass(frozen=True)
class Edit:
    """One text of a file of the program, which stands there once, and another one in its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A change of the program or of a stack's settings after which exactly this control fires.

    stack: whose program is run. settings: {key of the stack file: value}.
    """

    stack: str
    edits: tuple[Edit, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def edit(stack: str, file: str, old: str, new: str) -> Mutation:
    """A change of one text of the program."""
    return Mutation(stack, (Edit(file, old, new),))


def setting(stack: str, **settings: Any) -> Mutation:
    """A change of a stack's settings."""
    return Mutation(stack, settings=settings)


@dataclass(frozen=True)
class Spec:
    """{what the case is: the case} of each kind; see policies/README.md.

    unknown: at preview. Options alone are always known: then, and only then, it is empty and
    `always_known` says why. overridden: with other settings; empty for controls without settings.
    """

    passes: Mapping[str, Case]
    fails: Mapping[str, Case]
    not_applicable: Mapping[str, Case]
    mutations: Mapping[str, Mutation]
    unknown: Mapping[str, Case] = field(default_factory=dict)
    overridden: Mapping[str, Case] = field(default_factory=dict)
    always_known: str = ""


def spec_file(module: str) -> Path:
    """Where the spec of a control is, by the control's module."""
    return SPECS / (module.removeprefix(CONTROLS).replace(".", "/") + ".py")


@cache
def spec_of(module: str) -> Spec:
    """The spec of a control, by the control's module."""
    file = spec_file(module)
    assert file.is_file(), f"{module} has no spec: write {file}"
    name = f"spec_of_{module.replace('.', '_')}"
    specification = importlib.util.spec_from_file_location(name, file)
    assert specification is not None
    assert specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    spec: Spec = found.SPEC
    return spec
