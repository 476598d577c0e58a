"""What the pack says of every changed program.

A changed program is run as a whole, which takes most of a second: so two processes share the work.
They are forked once the SDKs are loaded and the real stacks recorded, so that both is done once.

    python tests/policies/mutants.py < questions > outcomes

A question is a line, [control, what is changed]; so is an outcome, in no certain order.
"""

import contextlib
import gc
import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

if __name__ == "__main__":
    HERE = Path(__file__).resolve().parent
    sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import policy_stacks as stacks
from policies.discover import controls
from policies.evaluate import Registration, evaluate
from policy_spec import Mutation, spec_of

PROCESSES = 2
# (control, what is changed)
Key = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """Of one changed program. fired: {control: the resources it named}. waiting: what controls say
    they could not look at. error: why it could not be run, or empty.
    """

    control: str
    what: str
    fired: Mapping[str, list[str]]
    waiting: list[str]
    error: str = ""

    @property
    def right(self) -> bool:
        """Whether exactly the control that it is meant for fired."""
        return not self.error and self.fired.keys() == {self.control} and not self.waiting


def mutations() -> dict[Key, Mutation]:
    """All there are, in the order of the controls."""
    return {
        (control.id, what): mutation
        for control in controls()
        for what, mutation in spec_of(control.module).mutations.items()
    }


@cache
def recorder() -> Any:
    """The recorder of the tests of the program itself (tests/conftest.py)."""
    file = stacks.ROOT / "tests" / "conftest.py"
    specification = importlib.util.spec_from_file_location("recorder_of_programs", file)
    assert specification is not None
    assert specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    # A dataclass looks its own module up.
    sys.modules[specification.name] = found
    specification.loader.exec_module(found)
    return found


@cache
def recorded(stack: str) -> Any:
    """A real stack. Read only."""
    with stacks.pushed_images():
        return recorder().record(
            recorder().the_program,
            stack=stack,
            configuration=stacks.configuration_of(stack),
            answers=stacks.provided,
        )


def registered(mutation: Mutation) -> list[Registration]:
    """What the changed program registers. What was generated before is the same: to generate it
    again is most of what a run takes.
    """
    values = recorded(mutation.stack).values

    def generated(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values[name])

    with stacks.pushed_images(), stacks.changed_program(mutation.edits):
        recording = recorder().record(
            recorder().the_program,
            stack=mutation.stack,
            configuration=stacks.configuration_of(mutation.stack, mutation.settings),
            answers=stacks.provided,
            values=generated,
        )
    return stacks.registrations(recording)


def outcome(key: Key, mutation: Mutation) -> Outcome:
    """What the pack, configured as this project's is, says of a changed program."""
    try:
        found = evaluate(
            registered(mutation),
            mutation.stack,
            stacks.policy_configuration(),
        )
    except Exception:  # noqa: BLE001 (a program may fail in any way: that is the outcome)
        return Outcome(*key, {}, [], traceback.format_exc())
    fired: dict[str, list[str]] = {}
    for each in found.violations:
        fired.setdefault(each.control, []).append(each.urn.rpartition("::")[2])
    return Outcome(*key, fired, [each.text for each in found.waiting])


def answer(asked: Iterable[Key], to: IO[str]) -> None:
    """Writes a line for each, from several processes, one at a time."""
    everything = mutations()
    questions = [(key, everything[key]) for key in asked]
    for stack in {mutation.stack for _, mutation in questions}:
        recorded(stack)
    gc.collect()
    # What is there now stays, in all processes the same.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    writing = multiprocessing.get_context("fork").Lock()
    children = [_forked(questions[start::PROCESSES], to, writing) for start in range(PROCESSES)]
    for child in children:
        os.waitpid(child, 0)


def _forked(questions: list[tuple[Key, Mutation]], to: IO[str], writing: Any) -> int:
    """A process that answers these; its id."""
    child = os.fork()
    if child:
        return child
    try:
        for key, mutation in questions:
            line = json.dumps(asdict(outcome(key, mutation)))
            with writing:
                print(line, file=to, flush=True)
    finally:
        # Nothing of what the parent has open is this process's to end.
        os._exit(0)


@contextlib.contextmanager
def outcomes(asked: Iterable[Key]) -> Iterator["Outcomes"]:
    """The outcomes of these, as they come."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # With what it forks.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as questions:
            questions.writelines(f"{json.dumps(key)}\n" for key in asked)
        yield Outcomes(process.stdout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        process.stdout.close()


class Outcomes:
    """Outcomes, read when they are asked for."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._found: dict[Key, Outcome] = {}

    def of(self, key: Key) -> Outcome:
        """One of those asked for. Raises KeyError when there will be none."""
        while key not in self._found:
            line = self._lines.readline()
            if not line:
                raise KeyError(key)
            found = Outcome(**json.loads(line))
            self._found[found.control, found.what] = found
        return self._found[key]


if __name__ == "__main__":
    answer([(control, what) for control, what in map(json.loads, sys.stdin)], sys.stdout)
