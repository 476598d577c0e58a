"""Turns what pydantic found wrong into one sentence a person can act on."""

import difflib
import re
import typing
from typing import Any

from pydantic import BaseModel, SecretStr, Tag, ValidationError


class SettingsError(Exception):
    """A stack file that cannot be used: what is wrong, where, and what is allowed."""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) is None:
        return []
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _alternatives(annotation: Any) -> dict[str, type[BaseModel]]:
    """{tag: model} of a field that is one of several models."""
    return {
        mark.tag: typing.get_args(part)[0]
        for part in typing.get_args(annotation)
        for mark in typing.get_args(part)[1:]
        if isinstance(mark, Tag)
    }


class _Found(typing.NamedTuple):
    """location: as in the file. model: in which its last key was looked for. secret: whether what
    stands there may hold a secret.
    """

    location: tuple[str | int, ...]
    model: type[BaseModel] | None
    secret: bool


def _without_tags(root: type[BaseModel], location: tuple[str | int, ...]) -> _Found:
    """What pydantic adds for the model that was chosen among several is no key of the file."""
    model: type[BaseModel] | None = root
    kept: list[str | int] = []
    models: list[type[BaseModel] | None] = []
    secret = False
    parts = list(location)
    while parts:
        part = parts.pop(0)
        kept.append(part)
        models.append(model)
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        secret = field is not None and _holds_secrets(field.annotation)
        inner = _models_in(field.annotation) if field else []
        model = inner[0] if inner else None
        tagged = _alternatives(field.annotation) if field else {}
        if parts and parts[0] in tagged:
            model = tagged[str(parts.pop(0))]
    return _Found(tuple(kept), models[-1] if models else root, secret)


def _holds_secrets(annotation: Any) -> bool:
    if annotation is SecretStr:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_secrets(each.annotation) for each in annotation.model_fields.values())
    return any(_holds_secrets(part) for part in typing.get_args(annotation))


def _model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model in which the key at `location` was looked for."""
    return _without_tags(model, location).model


def dotted(location: tuple[str | int, ...]) -> str:
    """Where something stands in a stack file, e.g. kubernetes.clients[1].network."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        # Quoted when it is no plain word: a key with a line break would make two lines of one.
        word = part if re.fullmatch(r"[\w.-]+", part) else repr(part)
        text += f".{word}" if text else word
    return text


def _without_alternatives(
    root: type[BaseModel], location: tuple[str | int, ...]
) -> tuple[str | int, ...]:
    """The location without what pydantic adds for each type that was tried (`str`, `int`, …)."""
    tried = {"str", "int", "float", "bool", "[key]"}
    if len(location) > 1 and location[-1] in tried and _model_at(root, location) is None:
        return location[:-1]
    return location


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "ip_v4_address": "an IPv4 address such as 127.0.0.1",
    "ip_v4_network": "an IPv4 network such as 10.87.0.0/20 (no host bits set)",
}


def _unit(key: str) -> str:
    for suffix, unit in (
        ("_mib", " of MiB"),
        ("_gib", " of GiB"),
        ("_ms", " of milliseconds"),
        ("_seconds", " of seconds"),
        ("_days", " of days"),
    ):
        if key.endswith(suffix):
            return unit
    return ""


def explain(root: type[BaseModel], error: ValidationError) -> str:
    """The first thing wrong, in one line: the key, what was given, what is allowed."""
    problems = error.errors()
    # A misspelt key is also a missing one: the misspelling is what the person can mend.
    first = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    found = _without_tags(root, _without_alternatives(root, first["loc"]))
    location = found.location
    key = dotted(location)
    given = "what is not shown, since it may hold a secret" if found.secret else None
    given = given or _shown(first["input"])
    kind = first["type"]
    if kind == "extra_forbidden":
        known = sorted(found.model.model_fields) if found.model else []
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        if not near:
            near = [name for name in known if name.startswith(f"{location[-1]}_")][:1]
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if kind == "missing":
        return f"{key}: is required and was not given"
    if isinstance(first["input"], dict) and first["input"].keys() == {"secure"}:
        return f"{key}: is encrypted, and only the Pulumi CLI can read it: run the command with it"
    if kind in EXPECTED:
        unit = _unit(str(location[-1])) if location else ""
        return f"{key}: expected {EXPECTED[kind]}{unit}, got {given}"
    if kind == "unknown_kind":
        return f"{key}.kind: {first['msg']}"
    if kind == "value_error":
        return f"{key}: {first['ctx']['error']}" if key else str(first["ctx"]["error"])
    message = first["msg"].replace("Input should be", "must be")
    return f"{key}: {message}, got {given}"
