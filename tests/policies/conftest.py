"""Stacks, recorded once, and what is said of changed ones."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import policy_stacks as stacks
from mutants import Key, Outcome, outcomes


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
def outcome_of(request: pytest.FixtureRequest) -> Iterator[Callable[[Key], Outcome]]:
    """What the pack says of a changed program. All that are asked for are run at once, in the order
    of the tests that ask.
    """
    parameters = [
        getattr(getattr(each, "callspec", None), "params", {}) for each in request.session.items
    ]
    with outcomes([each["mutation"] for each in parameters if "mutation" in each]) as found:
        yield found.of
