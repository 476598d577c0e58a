"""Runs the pack over what a program registered, without the Pulumi CLI.

It is the SDK's own servicer that runs it, asked what the engine would ask: each resource by itself,
then the stack. Configuration is merged with the defaults as the engine does, and checked.

The SDK decodes what it is asked of anew for each policy. So each question goes to those controls
alone that look at such resources: with the whole pack, nearly all the time would go into decoding
what nobody looks at. That they answer the same is tested.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pulumi_policy as sdk
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import proto
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policies import pack
from policies.contract import Control, Level, ResourceControl, StackControl
from policies.discover import controls
from policies.environment import ConfigurationError, environment_of
from policies.parameters import settle
from policies.resources import is_of

# The key for the level of all controls, as the engine has it.
ALL = "all"
LEVEL = "enforcementLevel"
# How the SDK begins what it says of a control that could not look.
COULD_NOT_RUN = "can't run policy "

Configuration = Mapping[str, str | Mapping[str, Any]]


@dataclass(frozen=True)
class Registration:
    """One RegisterResource request. properties: as on the wire, secrets marked. provider: the
    reference, `URN::id`, or empty. references: {property: URNs of the resources it was taken from}.
    """

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any]
    protect: bool = False
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Violation:
    """What a control found of a resource. text: two lines."""

    control: str
    urn: str
    text: str
    mandatory: bool


@dataclass(frozen=True)
class Waiting:
    """A control that will look once `up` knows more."""

    control: str
    text: str


@dataclass(frozen=True)
class Evaluation:
    """What the pack says of a stack. Nothing mandatory among the violations: it may go on."""

    violations: tuple[Violation, ...]
    waiting: tuple[Waiting, ...]

    @property
    def blocks(self) -> bool:
        """Whether the engine would stop."""
        return any(each.mandatory for each in self.violations)


def read_configuration(file: Path) -> Configuration:
    """A file as `--policy-pack-config` takes it. Raises ConfigurationError, one line."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file.name}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file.name}: is not valid JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(v, str | dict) for v in found.values()):
        raise ConfigurationError(f"{file.name}: expected {{control: level or settings}}")
    return found


def evaluate(
    registrations: Iterable[Registration],
    stack: str,
    configuration: Configuration | None = None,
    environment: str | None = None,
) -> Evaluation:
    """Of what a stack's program registered.

    configuration: as in the file of `--policy-pack-config`: {control or "all": level or
    {setting: value, "enforcementLevel": level}}. environment: left out, the stack's name.
    Raises ConfigurationError, one line.
    """
    asked = _Pack(configuration or {}, environment_of(stack, environment))
    everything = list(registrations)
    providers = {each.urn: each for each in everything if each.type.startswith("pulumi:providers:")}
    resources = [_resource(each, providers) for each in everything]
    answers = [answer for each in resources for answer in asked.about(each)]
    answers += asked.about_all(resources)
    violations, waiting = [], []
    for answer in answers:
        for each in answer.diagnostics:
            if each.message.startswith(COULD_NOT_RUN):
                text = each.message.partition(" during preview: ")[2]
                waiting.append(Waiting(each.policyName, text))
            else:
                mandatory = each.enforcementLevel == proto.MANDATORY
                violations.append(Violation(each.policyName, each.urn, each.message, mandatory))
    return Evaluation(tuple(violations), tuple(waiting))


class _Pack:
    """The SDK's servicers, configured: one for each set of controls that are asked together."""

    def __init__(self, configuration: Configuration, environment: str) -> None:
        self._settled = _settled(configuration, environment)
        self._environment = environment
        self._controls = [each for each in controls() if each.id in self._settled]
        self._servicers: dict[str, Any] = {}

    def about(self, resource: proto.AnalyzerResource) -> Iterator[proto.AnalyzeResponse]:
        """What the controls of single resources say of one."""
        token = resource.type
        if token not in self._servicers:
            asked: list[Control] = [
                each
                for each in self._controls
                if isinstance(each, ResourceControl) and each.applies_to(token)
            ]
            self._servicers[token] = self._servicer(asked) if asked else None
        if self._servicers[token]:
            yield self._servicers[token].Analyze(_request(resource), None)

    def about_all(
        self, resources: Iterable[proto.AnalyzerResource]
    ) -> Iterator[proto.AnalyzeResponse]:
        """What each of the controls that join resources says of them."""
        by_urn = {each.urn: each for each in resources}
        for control in self._controls:
            if isinstance(control, StackControl):
                request = proto.AnalyzeStackRequest(resources=_of_interest(control, by_urn))
                yield self._servicer([control]).AnalyzeStack(request, None)

    def _servicer(self, asked: list[Control]) -> Any:
        names = [each.id for each in asked]
        found = _policies(self._environment)
        servicer: Any = _PolicyAnalyzerServicer(
            pack.NAME,
            "0",
            [found[name] for name in names],
            sdk.EnforcementLevel.MANDATORY,
        )
        settled = {name: self._settled[name] for name in names}
        servicer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=settled), None)
        return servicer


@cache
def _policies(environment: str) -> Mapping[str, sdk.Policy]:
    """{control: its policy}."""
    return {each.name: each for each in pack.policies(environment)}


def _of_interest(
    control: StackControl, by_urn: Mapping[str, proto.AnalyzerResource]
) -> list[proto.AnalyzerResource]:
    """Those that a control looks at, and the names of those to which they refer."""
    looked_at = {urn: each for urn, each in by_urn.items() if is_of(each.type, control.types)}
    referred = {
        urn
        for each in looked_at.values()
        for urn in (each.parent, *_referred(each))
        if urn in by_urn and urn not in looked_at
    }
    return [
        each
        if urn in looked_at
        else proto.AnalyzerResource(type=each.type, urn=urn, name=each.name)
        for urn, each in by_urn.items()
        if urn in looked_at or urn in referred
    ]


def _referred(resource: proto.AnalyzerResource) -> Iterator[str]:
    for each in resource.propertyDependencies.values():
        yield from each.urns


def _settled(configuration: Configuration, environment: str) -> dict[str, proto.PolicyConfig]:
    """Level and settings of every control that is not disabled, as the engine merges them."""
    by_id = {each.id: each for each in controls()}
    for name in configuration:
        if name != ALL and name not in by_id:
            raise ConfigurationError(f"{name}: there is no such control")
    overall = _level(ALL, configuration.get(ALL, {}))
    found = {}
    for name, control in by_id.items():
        given = configuration.get(name, {})
        level = _level(name, given) or overall or control.enforcement.of(environment)
        # What is wrong is refused of a disabled one too.
        if level is not Level.DISABLED or given:
            config = _of_control(control, given, level, environment)
            if level is not Level.DISABLED:
                found[name] = config
    return found


def _of_control(
    control: Control,
    given: str | Mapping[str, Any],
    level: Level,
    environment: str,
) -> proto.PolicyConfig:
    settings = {} if isinstance(given, str) else {k: v for k, v in given.items() if k != LEVEL}
    properties = struct_pb2.Struct()
    properties.update(settle(control.id, control.settings, settings, environment))
    return proto.PolicyConfig(
        enforcementLevel=proto.EnforcementLevel.Value(level.name), properties=properties
    )


def _level(name: str, given: str | Mapping[str, Any]) -> Level | None:
    """The level somebody gave, or None."""
    text = given if isinstance(given, str) else given.get(LEVEL)
    if text is None:
        return None
    try:
        return Level(text)
    except ValueError:
        levels = ", ".join(each.value for each in Level)
        raise ConfigurationError(f"{name}: {LEVEL} must be one of: {levels}") from None


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    json_format.ParseDict(dict(values), found)
    return found


def _resource(given: Registration, providers: Mapping[str, Registration]) -> proto.AnalyzerResource:
    provider = providers.get(given.provider.rpartition("::")[0])
    return proto.AnalyzerResource(
        type=given.type,
        properties=_struct(given.properties),
        urn=given.urn,
        name=given.name,
        options=proto.AnalyzerResourceOptions(protect=given.protect, parent=given.parent),
        provider=_provider(provider) if provider else None,
        parent=given.parent,
        dependencies=list(given.dependencies),
        propertyDependencies={
            key: proto.AnalyzerPropertyDependencies(urns=list(urns))
            for key, urns in given.references.items()
        },
    )


def _provider(given: Registration) -> proto.AnalyzerProviderResource:
    return proto.AnalyzerProviderResource(
        type=given.type, properties=_struct(given.properties), urn=given.urn, name=given.name
    )


def _request(resource: proto.AnalyzerResource) -> proto.AnalyzeRequest:
    return proto.AnalyzeRequest(
        type=resource.type,
        properties=resource.properties,
        urn=resource.urn,
        name=resource.name,
        options=resource.options,
        provider=resource.provider if resource.HasField("provider") else None,
    )
