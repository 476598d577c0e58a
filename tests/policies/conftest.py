"""Stacks, recorded once, and changed ones."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import policy_stacks as stacks
from policies.evaluate import Registration
from policy_spec import Mutation


@pytest.fixture(scope="session")
def recorded(run_program: Callable[..., Any]) -> Callable[[str], Any]:
    """The recording of a stack, everything known. Read only."""
    before: dict[str, Any] = {}

    def run(stack: str) -> Any:
        if stack not in before:
            with stacks.pushed_images():
                before[stack] = run_program(
                    stack=stack,
                    configuration=stacks.configuration_of(stack),
                    answers=stacks.provided,
                )
        return before[stack]

    return run


@pytest.fixture(scope="session")
def first_previews(run_program: Callable[..., Any]) -> Callable[[str], Any]:
    """The same as a first preview runs it: nothing is known that somebody else has to say."""
    before: dict[str, Any] = {}

    def run(stack: str) -> Any:
        if stack not in before:
            with stacks.pushed_images():
                before[stack] = run_program(
                    stack=stack,
                    configuration=stacks.configuration_of(stack),
                    answers=stacks.nothing,
                    values=lambda token, name, inputs: {},
                    preview=True,
                )
        return before[stack]

    return run


@pytest.fixture(scope="session")
def mutated(
    run_program: Callable[..., Any], recorded: Callable[[str], Any]
) -> Callable[[Mutation], list[Registration]]:
    """What the changed program registers. What was generated before is the same: to generate it
    again is most of what a run takes.
    """

    def run(mutation: Mutation) -> list[Registration]:
        values = recorded(mutation.stack).values

        def generated(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
            return dict(values[name])

        with stacks.pushed_images(), stacks.changed_program(mutation.edits):
            recording = run_program(
                stack=mutation.stack,
                configuration=stacks.configuration_of(mutation.stack, mutation.settings),
                answers=stacks.provided,
                values=generated,
            )
        return stacks.registrations(recording)

    return run
