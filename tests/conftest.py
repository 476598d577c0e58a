"""The program under a monitor that keeps every request as it went over the wire."""

import asyncio
import contextvars
import gc
import importlib
import json
import os
import runpy
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
import pytest
from google.protobuf import empty_pb2, json_format
from pulumi import _types
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import run_pulumi_func

from standalone.values import MAKERS

ROOT = Path(__file__).resolve().parents[1]

# How the wire marks a value that must not be shown.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


def wrapped(value: Any) -> bool:
    """Whether a raw value is marked as a secret."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == SECRET


def unwrapped(value: Any) -> Any:
    """A raw value without the marks."""
    if wrapped(value):
        return unwrapped(value["value"])
    if isinstance(value, Mapping):
        return {key: unwrapped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [unwrapped(each) for each in value]
    return value


def in_the_open(value: Any) -> Iterator[str]:
    """Every text in a raw value that is not marked as a secret."""
    if wrapped(value):
        return
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from in_the_open(each)
    elif isinstance(value, list):
        for each in value:
            yield from in_the_open(each)
    elif isinstance(value, str):
        yield value


@dataclass(frozen=True)
class Request:
    """One RegisterResource request. raw: inputs with the secrets' marks; inputs: without.

    create_timeout: what the engine is to allow its creation, empty: its own limit.
    retained: left alone in the cloud when it leaves the state. provider: the one given, or empty.
    references: {input: URNs of the resources it was taken from}.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    dependencies: tuple[str, ...]
    delete_before_replace: bool
    create_timeout: str
    raw: dict[str, Any]
    protected: bool = False
    retained: bool = False
    provider: str = ""
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Any]:
        found: dict[str, Any] = unwrapped(self.raw)
        return found


@dataclass
class Recording:
    """What a program registered. component_outputs: URN → raw outputs. outputs: the stack's own;
    secret_outputs: those of them that are secret. values: what was generated, by resource name."""

    requests: list[Request] = field(default_factory=list)
    component_outputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, token: str) -> list[Request]:
        """Requests of a type, by the last word of its token."""
        return [each for each in self.requests if each.type.rpartition(":")[2] == token]

    def named(self, token: str, name: str) -> Request:
        """The one request of a type and a name."""
        (found,) = [each for each in self.of(token) if each.name == name]
        return found

    @property
    def servers(self) -> list[Request]:
        """Containers but for those that deliver files."""
        return [each for each in self.of("Container") if not each.name.endswith("-files")]

    @property
    def deliverers(self) -> list[Request]:
        """Containers that deliver files."""
        return [each for each in self.of("Container") if each.name.endswith("-files")]

    def file(self, member: str, name: str) -> str:
        """The content of a file a member gets."""
        uploads = self.named("Container", f"{member}-files").inputs["uploads"]
        (found,) = [each for each in uploads if each["file"] == f"/staging/{name}"]
        return str(found["content"])


Values = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
# Token, name and inputs of a resource → its id and its outputs.
Answers = Callable[[str, str, dict[str, Any]], tuple[str, dict[str, Any]]]


def generate(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Real passwords, keys and certificates."""
    return MAKERS[token][1](inputs)


def unknown(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """As at a first preview: nothing is there yet."""
    return {}


class Recorder(pulumi.runtime.Mocks):
    """Answers as the providers would."""

    def __init__(
        self, values: Values, exit_codes: Mapping[str, int], answers: Answers | None = None
    ) -> None:
        self.values = values
        self.answers = answers
        self.exit_codes = exit_codes
        self.recording = Recording()
        self.lock = threading.Lock()

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        raise AssertionError(f"the program asked a provider: {args.token}")

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", {}
        inputs = unwrapped(args.inputs)
        if args.typ in MAKERS:
            made = self.values(args.typ, args.name, inputs)
            with self.lock:
                self.recording.values[args.name] = made
            return args.name, {**inputs, **made}
        if args.typ.endswith(":RemoteImage"):
            return args.name, {**inputs, "imageId": f"sha256:{inputs['name']}"}
        if args.typ.endswith(":Container"):
            return args.name, {**inputs, "exitCode": self.exit_codes.get(args.name, 0)}
        if self.answers is not None:
            return self.answers(args.typ, args.name, inputs)
        return args.name, inputs


class RecordingMonitor(MockMonitor):
    """Keeps the requests."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.recorder = recorder

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        if request.type != "pulumi:pulumi:Stack":
            raw = json_format.MessageToDict(request.object)
            with self.recorder.lock:
                self.recorder.recording.requests.append(
                    Request(
                        urn=self.make_urn(request.parent, request.type, request.name),
                        type=request.type,
                        name=request.name,
                        custom=request.custom,
                        parent=request.parent,
                        dependencies=tuple(sorted(request.dependencies)),
                        delete_before_replace=request.deleteBeforeReplace,
                        create_timeout=request.customTimeouts.create,
                        raw=raw,
                        protected=request.protect,
                        retained=request.retainOnDelete,
                        provider=request.provider,
                        references={
                            key: tuple(sorted(found.urns))
                            for key, found in request.propertyDependencies.items()
                        },
                    )
                )
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        with self.recorder.lock:
            self.recorder.recording.component_outputs[request.urn] = json_format.MessageToDict(
                request.outputs
            )
        return empty_pb2.Empty()


async def _resolve(recording: Recording) -> None:
    exported = getattr(pulumi.runtime.get_root_resource(), "outputs", {})
    for name, value in exported.items():
        output = pulumi.Output.from_input(value)
        recording.outputs[name] = await output.future()
        if await output.is_secret():
            recording.secret_outputs.add(name)


def record(
    program: Callable[[], None],
    *,
    configuration: Mapping[str, str] | None = None,
    stack: str = "local",
    preview: bool = False,
    values: Values = generate,
    exit_codes: Mapping[str, int] | None = None,
    answers: Answers | None = None,
) -> Recording:
    """Runs a program as the engine would and returns what it registered.

    values: makes the outputs of random and tls resources, or none (`unknown`).
    exit_codes: of containers by resource name; 0 for those not named.
    answers: what all other resources become; left out: what was asked for.
    """
    recorder = Recorder(values, exit_codes or {}, answers)
    # A context of its own: the SDK keeps a run's root resource and outputs there. A thread of its
    # own: the SDK reads the whole stack with each resource, and pytest's is deep.
    context = contextvars.copy_context()
    arguments = (program, recorder, configuration or {}, stack, preview)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(context.run, _record, *arguments).result()
    return recorder.recording


def _record(
    program: Callable[[], None],
    recorder: Recorder,
    configuration: Mapping[str, str],
    stack: str,
    preview: bool,
) -> None:

    async def run() -> None:
        await run_pulumi_func(program)
        await _resolve(recorder.recording)

    # What an earlier program that failed left waiting is not this one's.
    SETTINGS.outputs.clear()
    # The loop before the mocks.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    before = Path.cwd()
    try:
        pulumi.runtime.set_all_config(dict(configuration))
        pulumi.runtime.set_mocks(
            recorder,
            project="selfmonitor",
            stack=stack,
            preview=preview,
            monitor=RecordingMonitor(recorder),
        )
        os.chdir(ROOT)
        loop.run_until_complete(run())
    finally:
        os.chdir(before)
        # A program that failed leaves some of its work waiting.
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()


def the_program() -> None:
    """__main__.py, as the engine runs it."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def pytest_collection_finish() -> None:
    """The collector is not to look again and again at what stays until the end.

    Programs and simulated clouds make objects by the hundred thousand: with the usual thresholds a
    third of their time was spent on looking for those in cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def recorder() -> Callable[..., Recording]:
    """`record`, for programs of a test's own."""
    return record


@pytest.fixture(scope="session")
def run_program() -> Callable[..., Recording]:
    """Runs the project's own program; see `record` for the arguments. What was run with nothing
    but a configuration is run once. Read only.
    """
    before: dict[str, Recording] = {}

    def run(**arguments: Any) -> Recording:
        if arguments.keys() - {"configuration"}:
            return record(the_program, **arguments)
        key = json.dumps(arguments, sort_keys=True)
        if key not in before:
            before[key] = record(the_program, **arguments)
        return before[key]

    return run


@pytest.fixture(scope="session")
def local(run_program: Callable[..., Recording]) -> Recording:
    """The program with every setting's default, run once. Read only."""
    return run_program()


@pytest.fixture(scope="session")
def recovered(local: Recording, run_program: Callable[..., Recording]) -> dict[str, Recording]:
    """The default stack, begun with what its vault, or the copy, holds: {source: recording}.

    What was generated before is the same. Read only.
    """

    def values(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return local.values.get(name) or generate(token, name, inputs)

    return {
        source: run_program(
            configuration={
                "selfmonitor:recovery": json.dumps({"source": source, "to": "2026-11-23T01:02:03Z"})
            },
            values=values,
        )
        for source in ("vault", "copy")
    }


@pytest.fixture(scope="session")
def first_preview(run_program: Callable[..., Recording]) -> Recording:
    """The program as a first preview runs it: no generated value is known. Read only."""
    return run_program(preview=True, values=unknown)


def args_class(token: str) -> Any:
    """The SDK's type of a resource's inputs."""
    package, module, name = token.split(":")
    if package == "pulumi":
        return importlib.import_module(f"pulumi_{name}").ProviderArgs
    inner = module.partition("/")[0]
    sdk = f"pulumi_{package}" + ("" if inner == "index" else f".{inner}")
    types = importlib.import_module(sdk)
    # Where the usual name was taken already, by a part of another resource's inputs.
    return getattr(types, f"{name}InitArgs", None) or getattr(types, f"{name}Args")


def nested_input_types(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and _types.is_input_type(annotation):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in nested_input_types(part)]


def unknown_keys(cls: Any, raw: Any, where: str) -> Iterator[str]:
    """Keys the SDK's type does not have, all the way down."""
    wire_names = {wire: own for own, wire in _types.input_type_py_to_pulumi_names(cls).items()}
    types = _types.input_type_types(cls)
    for key, value in raw.items():
        if key == SIGNATURE:
            continue
        if key not in wire_names:
            yield f"{where}.{key}"
            continue
        nested = nested_input_types(types.get(key) or types.get(wire_names[key]))
        for each in value if isinstance(value, list) else [value]:
            if nested and isinstance(each, dict):
                yield from unknown_keys(nested[0], each, f"{where}.{key}")


@pytest.fixture(scope="session")
def unknown_inputs() -> Callable[[str, Any, str], list[str]]:
    """What a resource was given that the installed SDK does not know: token, raw inputs, name."""
    return lambda token, raw, name: list(unknown_keys(args_class(token), raw, name))
