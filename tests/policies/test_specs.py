"""Every control does what its spec says, in the SDK's own servicer."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from policies.contract import Control, Severity, WhenUnknown
from policies.discover import controls
from policies.evaluate import Evaluation, evaluate
from policies.frameworks import known
from policy_spec import SPECS, UNKNOWN, Case, spec_file, spec_of

LONGEST_LINE = 300
# Shorter texts stand in sentences by chance.
SHORTEST_TEXT = 6


def cases(*kinds: str) -> Callable[[Any], Any]:
    """The test once for each case of these kinds in all specs."""
    found = [
        pytest.param(control, case, id=f"{control.id}: {what}")
        for control in controls()
        for kind in kinds
        for what, case in getattr(spec_of(control.module), kind).items()
    ]
    return pytest.mark.parametrize(("control", "case"), found)


every_control = pytest.mark.parametrize("control", controls(), ids=lambda control: control.id)


def ask(control: Control, case: Case, **more: Any) -> Evaluation:
    """This control alone, about a case."""
    settings = {"enforcementLevel": "mandatory", **case.configuration, **more}
    return evaluate(
        case.resources,
        "shop",
        {"all": "disabled", control.id: settings},
        environment=case.environment,
    )


def must_be_at(texts: list[str], case: Case) -> None:
    """One text a place, each of which names the resource and the value."""
    assert len(texts) == len(case.at), texts
    for name, where in case.at:
        assert any(f" {name}: " in text and f"{where} " in text for text in texts), (where, texts)


def written(value: Any, key: str = "") -> Iterator[str]:
    """Texts that may be secrets: all but names, and what says that a value is not known."""
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from written(each, inner)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from written(each, key)
    elif isinstance(value, str) and key != "name" and value != UNKNOWN:
        yield value


@cases("passes", "not_applicable")
def test_nothing_is_said_of_what_is_right_or_not_its_business(control: Control, case: Case) -> None:
    assert ask(control, case) == Evaluation((), ())


@cases("fails")
def test_what_is_wrong_is_found_where_it_is(control: Control, case: Case) -> None:
    found = ask(control, case)
    assert case.at
    assert found.blocks
    assert not found.waiting
    assert {each.control for each in found.violations} == {control.id}
    urns = {each.name: each.urn for each in case.resources}
    assert {each.urn for each in found.violations} == {urns[name] for name, _ in case.at}
    must_be_at([each.text for each in found.violations], case)


@cases("unknown")
def test_what_is_not_known_is_said_and_blocks_or_waits(control: Control, case: Case) -> None:
    found = ask(control, case)
    assert case.at
    if control.when_unknown is WhenUnknown.BLOCK:
        assert not found.waiting
        texts = [each.text for each in found.violations]
        said = "is not known before up"
    else:
        assert not found.violations
        # One for the resource, with all its values.
        texts = [f" {part}" for each in found.waiting for part in each.text.split("; ")]
        said = "is not known yet"
    assert all(said in text for text in texts)
    must_be_at(texts, case)


@cases("overridden")
def test_settings_hold_over_the_defaults(control: Control, case: Case) -> None:
    must_be_at([each.text for each in ask(control, case).violations], case)


@cases("fails")
def test_two_lines_say_what_why_and_how_to_mend_it(control: Control, case: Case) -> None:
    for each in ask(control, case).violations:
        why, what = each.text.split("\n")
        assert why == f"{control.title}: {control.why}"
        assert what.endswith(control.mend)
        assert max(map(len, (why, what))) <= LONGEST_LINE


@cases("fails", "unknown")
def test_no_text_of_a_resource_is_shown(control: Control, case: Case) -> None:
    found = ask(control, case)
    texts = [each.text for each in (*found.violations, *found.waiting)]
    own = control.description + control.mend
    for resource in case.resources:
        for value in written(resource.properties):
            if len(value) >= SHORTEST_TEXT and value not in own:
                assert not any(value in text for text in texts), value


@cases("fails")
def test_advice_does_not_block_and_disabled_says_nothing(control: Control, case: Case) -> None:
    assert ask(control, case, enforcementLevel="disabled") == Evaluation((), ())
    advice = ask(control, case, enforcementLevel="advisory")
    assert len(advice.violations) == len(case.at)
    assert not advice.blocks


@cases("fails")
def test_who_is_excused_is_passed_over_and_nobody_else(control: Control, case: Case) -> None:
    names = {name for name, _ in case.at}
    everybody = dict.fromkeys(names, "a reason")
    assert ask(control, case, excused=everybody) == Evaluation((), ())
    assert len(ask(control, case, excused={"another": "a reason"}).violations) == len(case.at)


@every_control
def test_the_spec_is_whole(control: Control) -> None:
    spec = spec_of(control.module)
    assert spec.passes
    assert spec.fails
    assert spec.not_applicable
    assert all(case.resources for case in spec.not_applicable.values())
    assert spec.mutations
    assert bool(spec.unknown) != bool(spec.always_known)
    assert bool(spec.overridden) == bool(control.parameters)
    used = {key for case in spec.overridden.values() for key in case.configuration}
    assert used == set(control.parameters)


@every_control
def test_metadata_is_whole(control: Control) -> None:
    assert isinstance(control.severity, Severity)
    assert control.references
    assert [each for each in control.references if not known(each)] == []
    assert list(control.references) == list(dict.fromkeys(control.references))
    assert not control.title.endswith(".")
    assert not control.why.endswith(".")
    assert control.mend.endswith(".")
    assert all("\n" not in text for text in (control.title, control.why, control.mend))
    for parameter in control.parameters.values():
        assert parameter.description.endswith(".")
        for environment in ("local", "staging", "production"):
            assert parameter.error(parameter.default_in(environment)) is None


def test_every_spec_has_its_control() -> None:
    assert set(SPECS.rglob("*.py")) == {spec_file(control.module) for control in controls()}
