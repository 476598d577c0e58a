"""Runs the Pulumi program and makes each resource it registers real, or plans to."""

import contextlib
import datetime
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pulumi
import pulumi.runtime
from pulumi.runtime.rpc import unwrap_rpc_secret

from platforms.docker_names import LABEL_ROLE, LABEL_STACK, ROLE_DATA
from standalone.declared import Registered, RegisteringMonitor
from standalone.docker_objects import Containers, Handler, Images, Networks, Volumes
from standalone.plan import (
    Action,
    ApplyError,
    Change,
    Report,
    Step,
    property_hashes,
    what_differs,
)
from standalone.program import run_program
from standalone.state import State
from standalone.values import MAKERS, renewal_reason

DOCKER_TYPES: dict[str, Callable[[docker.DockerClient], Handler]] = {
    "docker:index/remoteImage:RemoteImage": Images,
    "docker:index/network:Network": Networks,
    "docker:index/volume:Volume": Volumes,
    "docker:index/container:Container": Containers,
}


class UnsupportedResource(Exception):
    """A resource type that only the real engine can create."""

    def __init__(self, token: str, name: str) -> None:
        super().__init__(
            f"{name}: resource type {token} needs the Pulumi engine; without it only what the "
            "program uses on Docker can be created. Install the Pulumi CLI "
            "(https://www.pulumi.com/docs/install/) and run the same command again"
        )


class _Monitor(RegisteringMonitor):
    """Keeps the URN at hand, which the mocks' own arguments leave out."""

    def __init__(self, engine: "Engine") -> None:
        super().__init__(engine, engine.registered)
        self._engine = engine

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        self._engine.current.urn = self.make_urn(request.parent, request.type, request.name)
        return super().RegisterResource(request)


class Engine(pulumi.runtime.Mocks):
    """The applier. With dry_run it changes nothing and reports what it would do.

    report: called once a resource when its step is done (or planned), from several threads.
    progress: called with (name, text) while a step is under way.
    registered: after a run, what the program registered.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        state: State,
        stack: str,
        *,
        dry_run: bool,
        report: Report,
        progress: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._state = state
        self._stack = stack
        self._dry_run = dry_run
        self._report = report
        self._progress = progress
        self._handlers = {token: make(client) for token, make in DOCKER_TYPES.items()}
        self._declared: set[str] = set()
        self._names: set[str] = set()
        self._guard = threading.Lock()
        self._failure: BaseException | None = None
        self.current = threading.local()
        self.registered: list[Registered] = []

    # What the SDK calls.

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Provider functions: the program uses none."""
        raise UnsupportedResource(args.token, "a provider function")

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Makes one resource real. The first failure stops all that has not begun."""
        if not args.custom:
            return args.name, {}
        if self._failure is not None:
            raise ApplyError("not begun: another resource failed")
        try:
            return args.name, self._resource(self.current.urn, args.typ, args.name, args.inputs)
        except BaseException as error:
            with self._guard:
                self._failure = self._failure or error
            raise

    # One resource.

    def _resource(self, urn: str, token: str, name: str, wrapped: Any) -> dict[str, Any]:
        inputs = _plain(wrapped)
        with self._guard:
            self._declared.add(urn)
        hashes = property_hashes(inputs)
        if token in MAKERS:
            return self._value(urn, token, name, inputs, hashes)
        if token not in self._handlers:
            raise UnsupportedResource(token, name)
        handler = self._handlers[token]
        title = handler.title(inputs)
        with self._guard:
            self._names.add(f"{handler.kind}:{title}")
        recorded = (self._state.resources.get(urn) or {}).get("inputs")
        change = handler.change(inputs, hashes, recorded)
        if self._dry_run:
            self._report(Step(handler.kind, title, change))
            return dict(handler.predict(inputs))
        begun = time.monotonic()
        outputs = handler.apply(inputs, hashes, change, lambda text: self._progress(title, text))
        self._state.record(urn, {"type": token, "inputs": hashes, "outputs": {}})
        self._report(Step(handler.kind, title, change, time.monotonic() - begun))
        return dict(outputs)

    def _value(
        self,
        urn: str,
        token: str,
        name: str,
        inputs: Mapping[str, Any],
        hashes: dict[str, str],
    ) -> dict[str, Any]:
        """A password, key or certificate: kept as long as it is declared the same."""
        kind, make = MAKERS[token]
        recorded = self._state.resources.get(urn)
        change = _value_change(recorded, inputs, hashes)
        if change.action is Action.UNCHANGED and recorded is not None:
            outputs = recorded["outputs"]
        else:
            begun = time.monotonic()
            outputs = make(inputs)
            if not self._dry_run:
                # On disk before anything is created with it: a password that protects data must
                # not be lost to whatever happens next.
                self._state.record(urn, {"type": token, "inputs": hashes, "outputs": outputs})
            self._report(
                Step(kind, name, change, None if self._dry_run else time.monotonic() - begun)
            )
        return {**inputs, **outputs}

    # The whole.

    def run(self, root: Path, configuration: dict[str, str], project: str) -> dict[str, Any]:
        """Runs the program at `root`; returns the stack's outputs.

        Raises ApplyError, UnsupportedResource or pulumi.RunError.
        """
        try:
            with self._noting_interrupts():
                outputs = run_program(
                    root,
                    configuration,
                    project,
                    self._stack,
                    mocks=self,
                    monitor=_Monitor(self),
                    preview=False,
                )
            if self._failure is not None:
                raise self._failure
        except BaseException as error:
            if self._failure is not None and self._failure is not error:
                raise self._failure from None
            raise
        self._prune()
        if not self._dry_run:
            self._state.forget_all_but(self._declared)
            self._state.set_outputs(outputs)
        return outputs

    @contextlib.contextmanager
    def _noting_interrupts(self) -> Iterator[None]:
        """An interrupt ends the run wherever it hits.

        Raised in the midst of some callback, KeyboardInterrupt may be swallowed there; so it is
        noted as well, nothing new begins, and the run fails at its end at the latest.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def note(_number: int, _frame: object) -> None:
            # Without the guard: this thread may be holding it.
            self._failure = self._failure or KeyboardInterrupt()
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _prune(self) -> None:
        """Removes what an earlier program declared and this one does not, data excepted."""
        mine: dict[str, Any] = {"label": f"{LABEL_STACK}={self._stack}"}
        for container in self._client.containers.list(all=True, filters=mine, ignore_removed=True):
            self._remove_unless_declared(
                "container", str(container.name), _remove_container, container
            )
        for network in self._client.networks.list(filters=mine):
            self._remove_unless_declared("network", str(network.name), _remove, network)
        for volume in self._client.volumes.list(filters=mine):
            if (volume.attrs["Labels"] or {}).get(LABEL_ROLE) != ROLE_DATA:
                self._remove_unless_declared("volume", volume.name, _remove, volume)

    def _remove_unless_declared(
        self, kind: str, name: str, remove: Callable[[Any], None], thing: Any
    ) -> None:
        if f"{kind}:{name}" in self._names:
            return
        begun = time.monotonic()
        if not self._dry_run:
            remove(thing)
        taken = None if self._dry_run else time.monotonic() - begun
        self._report(Step(kind, name, Change(Action.DELETE, "no longer declared"), taken))


def _value_change(
    recorded: Mapping[str, Any] | None, inputs: Mapping[str, Any], hashes: dict[str, str]
) -> Change:
    if recorded is None:
        return Change(Action.CREATE)
    if recorded["inputs"] != hashes:
        return Change(Action.REPLACE, what_differs(recorded["inputs"], hashes))
    reason = renewal_reason(inputs, recorded["outputs"], datetime.datetime.now(datetime.UTC))
    return Change(Action.REPLACE, reason) if reason else Change(Action.UNCHANGED)


def _plain(value: Any) -> Any:
    """Inputs without the wrapping that marks secrets; whole numbers, which the wire knows only
    as floating point, as the Docker API wants them.
    """
    value = unwrap_rpc_secret(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _remove(thing: Any) -> None:
    thing.remove()


def _remove_container(container: Any) -> None:
    container.stop()
    container.remove(v=True)
