"""The pack has nothing to say of the real stacks, and one thing of each changed one."""

import importlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from mutants import Key, Outcome, mutations, outcome
from policies.evaluate import Evaluation, evaluate
from policy_spec import Edit, Mutation
from policy_stacks import (
    ROOT,
    STACKS,
    changed_program,
    changed_texts,
    policy_configuration,
    registrations,
)

SECONDS = 2


def the_pack_says(asked: Any, stack: str) -> Evaluation:
    """What this project's own previews show."""
    return evaluate(asked, stack, policy_configuration())


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_wrong_with_a_real_stack(stack: str, recorded: Callable[[str], Any]) -> None:
    found = the_pack_says(registrations(recorded(stack)), stack)
    assert [each.text for each in found.violations] == []
    assert found.waiting == ()


@pytest.mark.parametrize("stack", STACKS)
def test_a_first_preview_of_a_real_stack_is_not_held_up(
    stack: str, first_previews: Callable[[str], Any]
) -> None:
    found = the_pack_says(registrations(first_previews(stack), first_preview=True), stack)
    assert [each.text for each in found.violations] == []


def test_a_change_is_of_a_text_that_stands_there_once() -> None:
    file, old = "components/aws/key.py", "enable_key_rotation=True"
    ((module, (path, text)),) = changed_texts((Edit(file, old, "x=1"),)).items()
    assert (module, path) == ("components.aws.key", ROOT / file)
    assert text == path.read_text().replace(old, "x=1")
    for wrong in ("enable_key_rotation=Maybe", "import"):
        with pytest.raises(AssertionError, match="the program has changed"):
            changed_texts((Edit(file, wrong, ""),))
    with pytest.raises(AssertionError, match="is no module of"):
        changed_texts((Edit("policies/pack.py", "NAME", ""),))


def test_the_program_is_what_it_was_after_a_change() -> None:
    before = importlib.import_module("components.aws.key")
    with changed_program(
        (Edit("components/aws/key.py", "ROTATION_DAYS = 365", "ROTATION_DAYS = 1"),)
    ):
        assert importlib.import_module("components.aws.key").ROTATION_DAYS == 1
        assert (
            importlib.import_module("components.vault_aws").make_key.__globals__["ROTATION_DAYS"]
            == 1
        )
    assert importlib.import_module("components.aws.key") is before
    assert importlib.import_module("components.aws").key is before
    assert before.ROTATION_DAYS == 365


@pytest.mark.parametrize("mutation", mutations(), ids=": ".join)
def test_exactly_the_one_control_fires_on_a_changed_program(
    mutation: Key, outcome_of: Callable[[Key], Outcome]
) -> None:
    found = outcome_of(mutation)
    assert found.error == ""
    assert set(found.fired) == {found.control}
    assert found.waiting == []


def test_what_cannot_be_run_is_no_outcome_of_the_pack() -> None:
    wrong = Mutation("local", settings={"subnet": "nowhere"})
    found = outcome(("docker-bind-addresses", "a mistake"), wrong)
    assert "subnet" in found.error
    assert not found.right


def test_the_whole_pack_takes_less_than_two_seconds(recorded: Callable[[str], Any]) -> None:
    asked = registrations(recorded("production"))
    began = time.process_time()
    the_pack_says(asked, "production")
    assert time.process_time() - began < SECONDS
