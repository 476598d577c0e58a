"""Reads settings: from a stack's files, as the Pulumi engine would, or from a running program."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from settings.errors import SettingsError, explain
from settings.kubernetes import KubernetesSettings
from settings.stack import StackSettings
from settings.vault import AwsVaultSettings

PROJECT = "selfmonitor"
# What the policy pack reads in a stack file (policies/README.md), and the program does not.
OF_THE_PACK = frozenset({"policies:environment"})
# What the Pulumi CLI itself knows in a stack file.
STACK_FILE_SECTIONS = frozenset(
    {"config", "environment", "secretsprovider", "encryptedkey", "encryptionsalt"}
)


def parse(values: Mapping[str, Any], source: str) -> StackSettings:
    """Settings from a mapping of plain keys.

    `source` names where they come from in errors. Raises SettingsError.
    """
    try:
        return StackSettings.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(f"{source}: {explain(StackSettings, error)}") from None


def from_engine(configuration: Mapping[str, str], stack: str) -> StackSettings:
    """Settings from the engine's flat configuration: `project:key` → text, structures as JSON."""
    values: dict[str, Any] = {}
    for name, text in configuration.items():
        namespace, _, key = name.partition(":")
        if namespace == PROJECT:
            values[key] = _decoded(key, text)
    settings = parse(values, f"Pulumi.{stack}.yaml")
    _must_be_where_its_roles_are(settings, stack)
    return settings


def _must_be_where_its_roles_are(settings: StackSettings, stack: str) -> None:
    """AWS believes service accounts of one namespace alone."""
    vault = settings.backup.vault
    if settings.platform != "kubernetes" or not isinstance(vault, AwsVaultSettings):
        return
    believed = vault.web_identity.namespace
    namespace = (settings.kubernetes or KubernetesSettings()).namespace_of(stack)
    if believed != namespace:
        raise SettingsError(
            f"Pulumi.{stack}.yaml: backup.vault.web_identity.namespace is {believed}, but the "
            f"stack's namespace is {namespace}: no pod could take its role on; make them the same"
        )


def _decoded(key: str, text: str) -> Any:
    """A structured or numeric value from its JSON; anything else is the text it is."""
    annotation = StackSettings.model_fields.get(key)
    if annotation is None or not isinstance(text, str) or text[:1] not in "{[":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def stack_file(directory: Path, stack: str) -> Path:
    """Path of a stack's file. Raises SettingsError that lists the stacks there are."""
    path = directory / f"Pulumi.{stack}.yaml"
    if path.is_file():
        return path
    stacks = sorted(
        file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        for file in directory.glob("Pulumi.*.yaml")
    )
    near = difflib.get_close_matches(stack, stacks, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SettingsError(
        f"stack {stack} does not exist: there is no {path.name}; {hint}"
        f"there are: {', '.join(stacks) or 'none'}"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise SettingsError(
            f"{path.name}{line}: is not valid YAML: {error}".splitlines()[0]
        ) from None
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name}: expected a mapping with a config: section")
    return content


def engine_configuration(directory: Path, path: Path) -> dict[str, str]:
    """What the engine would pass to the program: the stack file over Pulumi.yaml's defaults.

    Returns `project:key` → text, structured values as JSON. Raises SettingsError for keys outside
    this project's namespace, which nobody would ever read.
    """
    result: dict[str, str] = {}
    declared = _read_yaml(directory / "Pulumi.yaml").get("config") or {}
    for key, declaration in declared.items():
        if isinstance(declaration, dict) and "default" in declaration:
            result[f"{PROJECT}:{key}"] = _encoded(declaration["default"])
    content = _read_yaml(path)
    for section in content.keys() - STACK_FILE_SECTIONS:
        near = difflib.get_close_matches(str(section), STACK_FILE_SECTIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else "settings stand under config:"
        raise SettingsError(f"{path.name}: {section}: unknown section; {hint}")
    given = content.get("config") or {}
    if not isinstance(given, dict):
        raise SettingsError(f"{path.name}: config: expected a mapping of keys to values")
    for name, value in given.items():
        if name in OF_THE_PACK:
            result[str(name)] = _encoded(value)
            continue
        namespace, _, key = str(name).rpartition(":")
        if namespace not in ("", PROJECT):
            raise SettingsError(
                f"{path.name}: {name}: unknown namespace; keys begin with {PROJECT}:"
            )
        result[f"{PROJECT}:{key}"] = _encoded(value)
    return result


def _encoded(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load(directory: Path, stack: str) -> StackSettings:
    """Settings of a stack of this project. Raises SettingsError."""
    path = stack_file(directory, stack)
    return from_engine(engine_configuration(directory, path), stack)
