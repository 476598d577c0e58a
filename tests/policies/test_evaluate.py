"""Asking only those controls that look at a resource gets the answers of asking all of them."""

from collections.abc import Callable
from typing import Any

import pulumi_policy as sdk
import pytest
from pulumi.runtime import proto
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policies import evaluate as module
from policies import pack
from policies.contract import Control
from policies.discover import controls
from policies.evaluate import Registration, evaluate
from policy_spec import Case, spec_of
from policy_stacks import registrations

Said = set[tuple[str, str, str, bool]]


def by_one_servicer(asked: list[Registration], environment: str, configuration: Any) -> Said:
    """All controls asked about everything, as the Pulumi CLI asks."""
    servicer: Any = _PolicyAnalyzerServicer(
        pack.NAME, "0", pack.policies(environment), sdk.EnforcementLevel.MANDATORY
    )
    settled = module._settled(configuration, environment)
    servicer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=settled), None)
    resources = [module._resource(each, {}) for each in asked]
    answers = [servicer.Analyze(module._request(each), None) for each in resources]
    answers.append(servicer.AnalyzeStack(proto.AnalyzeStackRequest(resources=resources), None))
    return {
        (each.policyName, each.urn, each.message, each.enforcementLevel == proto.MANDATORY)
        for answer in answers
        for each in answer.diagnostics
    }


def by_parts(asked: list[Registration], environment: str, configuration: Any) -> Said:
    """As this project asks."""
    found = evaluate(asked, "shop", configuration, environment)
    return {(each.control, each.urn, each.text, each.mandatory) for each in found.violations} | {
        (each.control, "", each.text, False) for each in found.waiting
    }


def alike(said: Said) -> Said:
    """Without how the SDK begins what it says of a control that could not look."""
    return {
        (control, urn, text.rpartition(" during preview: ")[2], mandatory)
        for control, urn, text, mandatory in said
    }


def some(control: Control) -> list[Case]:
    """A case of each kind in which there is something to say."""
    spec = spec_of(control.module)
    return [next(iter(kind.values())) for kind in (spec.fails, spec.unknown) if kind]


@pytest.mark.parametrize("control", controls(), ids=lambda control: control.id)
def test_every_control_says_the_same_of_what_it_finds(control: Control) -> None:
    for case in some(control):
        asked = list(case.resources)
        whole = alike(by_one_servicer(asked, case.environment, {}))
        assert control.id in {name for name, *_ in whole}
        assert alike(by_parts(asked, case.environment, {})) == whole


def test_the_same_is_said_of_a_stack_that_is_judged_too_strictly(
    first_previews: Callable[[str], Any],
) -> None:
    """The laptop's stack as if it were production, before anything of it exists."""
    asked = registrations(first_previews("local"))
    whole = alike(by_one_servicer(asked, "production", {"all": "advisory"}))
    assert whole
    assert alike(by_parts(asked, "production", {"all": "advisory"})) == whole
