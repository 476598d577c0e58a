"""The stacks that the pack must have nothing to say of, and the program changed."""

import ast
import contextlib
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from platforms.image_context import folders, project_name
from platforms.image_reference import LOCK
from policies.evaluate import Configuration, Registration
from policy_spec import UNKNOWN, Edit
from settings.load import engine_configuration

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("local", "staging", "production")
# What the program is made of: read anew when one of its files is changed.
PROGRAM = ("components", "platforms", "settings")
# What a team has to fill in, filled in: in the stack files and in what the policies are told alike.
FILLED = {
    "fill-in": "acme",
    "FILL-IN": "EXAMPLED539D4633E53DE1B71EXAMPLE",
    "000000000000": "123456789012",
    "192.0.2.": "10.20.30.",
}


def filled(text: str) -> str:
    """The same text as a team would have it."""
    for marked, own in FILLED.items():
        text = text.replace(marked, own)
    return text


def configuration_of(stack: str, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What the engine would hand to the program of a stack; settings go over its file's."""
    file = engine_configuration(ROOT, ROOT / f"Pulumi.{stack}.yaml")
    found = {key: filled(text) for key, text in file.items()}
    return {**found, **{f"selfmonitor:{key}": as_text(v) for key, v in (settings or {}).items()}}


def settings_of(stack: str) -> dict[str, Any]:
    """{key: what its file says, whole}; for mutations that change a part of it."""
    structured = {
        key.partition(":")[2]: text
        for key, text in configuration_of(stack).items()
        if text.startswith(("{", "["))
    }
    return {key: json.loads(text) for key, text in structured.items()}


def policy_configuration() -> Configuration:
    """What this project's policies are told."""
    text = filled((ROOT / "policy-config.json").read_text(encoding="utf-8"))
    found: Configuration = json.loads(text)
    return found


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


ON_KUBERNETES = settings_of("production")


@contextlib.contextmanager
def pushed_images() -> Iterator[None]:
    """As if every image, as it is, had been pushed: the lock file says so to whoever reads it."""
    lock = ROOT / LOCK
    digest = f"sha256:{hashlib.sha256(b'pushed').hexdigest()}"
    images = {
        folder: {"name": project_name(ROOT, folder), "digest": digest} for folder in folders(ROOT)
    }
    text = json.dumps({"images": images})
    read = Path.read_text

    def read_text(path: Path, *arguments: Any, **more: Any) -> str:
        return text if path == lock else read(path, *arguments, **more)

    with mock.patch.object(Path, "read_text", read_text):
        yield


def provided(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a provider would add: ids and ARNs."""
    if not token.startswith("aws:"):
        return name, inputs
    called = inputs.get("bucket") or inputs.get("name") or name
    identity = str(called if token.endswith(":Bucket") else name)
    service = token.split(":")[1].partition("/")[0]
    arn = f"arn:aws:{service}:::{called}"
    return identity, {**inputs, "arn": arn, "keyId": identity}


def nothing(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As at a first preview: no resource has an id."""
    return "", inputs


# What a provider says of a resource once it is made; the engine hands it on as not known before.
LATER = ("id", "arn")


def registrations(recording: Any, *, first_preview: bool = False) -> list[Registration]:
    """What a recorded program registered, as the pack is given it."""
    later = dict.fromkeys(LATER, UNKNOWN) if first_preview else {}
    return [
        Registration(
            type=each.type,
            name=each.name,
            urn=each.urn,
            properties={**later, **each.raw},
            protect=each.protected,
            parent=each.parent,
            provider=each.provider,
            dependencies=each.dependencies,
            references=each.references,
        )
        for each in recording.requests
    ]


class Edited(importlib.machinery.SourceFileLoader):
    """Loads a module from a changed text."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> Any:
        return compile(self.text, self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the changed modules before anybody finds the others."""

    def __init__(self, texts: Mapping[str, tuple[Path, str]]) -> None:
        self.texts = texts

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self.texts:
            return None
        file, text = self.texts[name]
        return importlib.util.spec_from_loader(name, Edited(name, str(file), text))


def changed_texts(edits: tuple[Edit, ...]) -> dict[str, tuple[Path, str]]:
    """{module: (file, its changed text)}. Each old text must stand there once."""
    found: dict[str, tuple[Path, str]] = {}
    for each in edits:
        module = each.file.removesuffix(".py").replace("/", ".")
        assert module.partition(".")[0] in PROGRAM, f"{each.file} is no module of {PROGRAM}"
        path, text = found.get(module) or (ROOT / each.file, (ROOT / each.file).read_text())
        assert text.count(each.old) == 1, (
            f"{each.file}: {each.old!r} stands there {text.count(each.old)} times, not once: "
            "the program has changed, and this mutation with it"
        )
        found[module] = path, text.replace(each.old, each.new)
    return found


def is_program(name: str) -> bool:
    return name.partition(".")[0] in PROGRAM


@cache
def imported(file: str) -> frozenset[str]:
    """Modules of the program that one of its files imports, also in its functions and by name."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return frozenset(filter(is_program, found))


def affected(changed: Iterable[str]) -> set[str]:
    """Loaded modules of the program that are to be read anew: the changed ones, and all that import
    one of these.
    """
    files = {
        name: str(Path(module.__file__).relative_to(ROOT))
        for name, module in sys.modules.items()
        if is_program(name) and module.__file__
    }
    found = set(changed)
    while True:
        more = {name for name, file in files.items() if imported(file) & found} - found
        if not more:
            return found & files.keys()
        found |= more


@contextlib.contextmanager
def changed_program(edits: tuple[Edit, ...]) -> Iterator[None]:
    """The program's modules are others in here; those of before are back afterwards."""
    if not edits:
        yield
        return
    finder = Finder(changed_texts(edits))
    before = {name: module for name, module in sys.modules.items() if is_program(name)}
    for name in affected(finder.texts):
        forget(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if is_program(name)]:
            forget(name)
        for name, module in before.items():
            sys.modules[name] = module
            package, _, own = name.rpartition(".")
            if package:
                setattr(before[package], own, module)


def forget(name: str) -> None:
    """A module is neither loaded nor part of its package."""
    del sys.modules[name]
    package, _, own = name.rpartition(".")
    if own in vars(sys.modules.get(package, object)):
        delattr(sys.modules[package], own)
