"""Controls as policies of the Pulumi policy SDK."""

from collections.abc import Callable, Iterable
from typing import Any

import pulumi_policy as sdk
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from policies.contract import (
    Control,
    Finding,
    ResourceControl,
    Settings,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.discover import controls
from policies.environment import environment_of_process
from policies.parameters import EXCUSED, settle
from policies.resources import Resource, Stack
from policies.values import plain

NAME = "selfmonitor"


class Deferred(UnknownValueError):
    """Ends a control as the SDK ends those that touch an unknown value: it reports, as advice, that
    the control could not run, and why. What was reported before stays.
    """

    def __init__(self, message: str) -> None:
        super().__init__(UNKNOWN_STRING_VALUE, [])
        self.message = message


def policies(environment: str) -> list[sdk.Policy]:
    """One policy a control, enforced as in this environment."""
    return [policy(each, environment) for each in controls()]


def policy(control: Control, environment: str) -> sdk.Policy:
    """The control's policy."""
    common: dict[str, Any] = {
        "name": control.id,
        "description": control.description,
        "enforcement_level": sdk.EnforcementLevel(control.enforcement.of(environment).value),
        "config_schema": sdk.PolicyConfigSchema(
            {key: each.schema(environment) for key, each in control.settings.items()}
        ),
        "display_name": control.title,
        "severity": sdk.Severity(control.severity.value),
        "tags": list(control.references),
        "remediation_steps": control.mend,
    }
    if isinstance(control, ResourceControl):
        return sdk.ResourceValidationPolicy(validate=_of_resource(control, environment), **common)
    assert isinstance(control, StackControl)
    return sdk.StackValidationPolicy(validate=_of_stack(control, environment), **common)


def _of_resource(
    control: ResourceControl, environment: str
) -> Callable[[sdk.ResourceValidationArgs, sdk.ReportViolation], None]:
    def validate(args: sdk.ResourceValidationArgs, report: sdk.ReportViolation) -> None:
        if not control.applies_to(args.resource_type):
            return
        settings = settle(control.id, control.settings, args.get_config(), environment)
        resource = Resource(
            type=args.resource_type,
            name=args.name,
            urn=args.urn,
            props=plain(args.props),
            protect=args.opts.protect,
            parent=args.opts.parent or "",
            provider=_provider(args.provider),
        )
        found = control.findings(resource, settings)
        _report(control, settings, ((each, resource) for each in found), report)

    return validate


def _of_stack(
    control: StackControl, environment: str
) -> Callable[[sdk.StackValidationArgs, sdk.ReportViolation], None]:
    def validate(args: sdk.StackValidationArgs, report: sdk.ReportViolation) -> None:
        settings = settle(control.id, control.settings, args.get_config(), environment)
        stack = Stack(
            _resource(each) for each in args.resources if control.applies_to(each.resource_type)
        )
        _report(control, settings, map(_placed, control.findings(stack, settings)), report)

    return validate


def _resource(given: sdk.PolicyResource) -> Resource:
    return Resource(
        type=given.resource_type,
        name=given.name,
        urn=given.urn,
        props=plain(given.props),
        protect=given.opts.protect,
        parent=given.parent.urn if given.parent else "",
        references={
            key: tuple(sorted(each.urn for each in found))
            for key, found in given.property_dependencies.items()
        },
        provider=_provider(given.provider),
    )


def _provider(given: sdk.PolicyProviderResource | None) -> dict[str, Any]:
    found: dict[str, Any] = plain(given.props) if given else {}
    return found


def _placed(found: Finding | Unseen) -> tuple[Finding | Unseen, Resource]:
    assert found.on is not None, "a control of a stack says of which resource it speaks"
    return found, found.on


def _report(
    control: Control,
    settings: Settings,
    found: Iterable[tuple[Finding | Unseen, Resource]],
    report: sdk.ReportViolation,
) -> None:
    """Raises Deferred, once all violations are reported, for values to wait for."""
    waiting = []
    for each, resource in found:
        if resource.name in settings[EXCUSED]:
            continue
        if isinstance(each, Unseen) and control.when_unknown is WhenUnknown.DEFER:
            waiting.append(control.waits(each, resource))
        else:
            report(control.says(each, resource), resource.urn)
    if waiting:
        raise Deferred("; ".join(waiting))


def serve() -> None:
    """Answers the Pulumi CLI until that ends this process."""
    sdk.PolicyPack(
        name=NAME,
        policies=policies(environment_of_process()),
        enforcement_level=sdk.EnforcementLevel.MANDATORY,
    )
