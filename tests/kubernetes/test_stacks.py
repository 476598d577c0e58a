"""Staging and production as they are shipped: what their stack files make, without any cloud."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pulumi
import pytest
from kubernetes_validate import utils

from settings.load import engine_configuration, load
from settings.unfilled import is_unfilled, unfilled

ROOT = Path(__file__).resolve().parents[2]
OLDEST = "1.31"
SIGNATURE = "4dabf18193072939515e22adb298388d"
REGIONS = {"eu-west-2", "eu-west-1"}
# Of one stack, on a machine that does nothing else; most of it is loading the SDKs.
PREVIEW_SECONDS = 20

pytestmark = [
    pytest.mark.usefixtures("published_schemas"),
    pytest.mark.parametrize("stack", ["staging", "production"]),
]


def texts(value: Any, *, secret: bool = True) -> Iterator[str]:
    """Every text anywhere in a value; without those marked as secrets if so wanted."""
    if isinstance(value, Mapping):
        if SIGNATURE in value and not secret:
            return
        for key, each in value.items():
            yield str(key)
            yield from texts(each, secret=secret)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each, secret=secret)
    elif isinstance(value, str):
        yield value


def of_aws(ran: Any) -> list[Any]:
    return [each for each in ran.manifests.recording.requests if each.type.startswith("aws:")]


def generated(ran: Any) -> list[str]:
    return [
        made[key].strip()
        for made in ran.manifests.recording.values.values()
        for key in ("result", "privateKeyPem")
        if key in made
    ]


def test_a_preview_of_it_as_it_is_shipped_needs_no_cluster_no_cloud_and_little_time(
    run_stack: Callable[..., Any], stack: str
) -> None:
    ran = run_stack(stack, filled=False)
    assert ran.seconds < PREVIEW_SECONDS
    assert len(list(ran.manifests)) > 100
    assert len(of_aws(ran)) > 60


def test_a_preview_shows_what_an_up_makes(run_stack: Callable[..., Any], stack: str) -> None:
    shipped, filled = (
        {each.urn for each in run_stack(stack, filled=filled).manifests.recording.requests}
        for filled in (False, True)
    )
    assert shipped == filled


def test_an_up_of_it_as_it_is_shipped_is_one_error_before_anything_is_made(
    run_program: Callable[..., Any], stack: str
) -> None:
    made: list[str] = []

    def values(token: str, name: str, inputs: Any) -> dict[str, Any]:
        made.append(name)
        return {}

    with pytest.raises(pulumi.RunError) as caught:
        run_program(
            configuration=engine_configuration(ROOT, ROOT / f"Pulumi.{stack}.yaml"),
            stack=stack,
            values=values,
        )
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for each in unfilled(load(ROOT, stack)):
        assert each.key in message
    assert made == []


def test_nothing_that_is_to_be_filled_in_is_in_what_an_up_makes(
    run_stack: Callable[..., Any], stack: str
) -> None:
    for each in run_stack(stack, filled=True).manifests.recording.requests:
        for text in texts(each.raw):
            assert not is_unfilled(text), each.name
            assert "192.0.2." not in text, each.name


def test_every_object_of_kubernetes_is_what_the_published_schemas_say(
    run_stack: Callable[..., Any], stack: str
) -> None:
    for version in (OLDEST, utils.latest_version()):
        for manifest in run_stack(stack, filled=True).manifests:
            found = kubernetes_validate.validate(manifest, version, strict=True)
            assert version.startswith(found), "there is no schema of this very version"


def test_every_input_is_one_the_installed_sdks_know(
    run_stack: Callable[..., Any], unknown_inputs: Callable[..., list[str]], stack: str
) -> None:
    kinds = set()
    for filled in (False, True):
        for each in run_stack(stack, filled=filled).manifests.recording.requests:
            # What is given to Kubernetes is held against its own schemas.
            if each.custom and not each.type.startswith("kubernetes:"):
                kinds.add(each.type.partition(":")[0])
                assert unknown_inputs(each.type, each.raw, each.name) == []
    assert kinds == {"aws", "pulumi", "random", "tls"}


def test_no_secret_is_in_the_open_in_any_request_or_output(
    run_stack: Callable[..., Any], stack: str
) -> None:
    ran = run_stack(stack, filled=True)
    recording, secrets = ran.manifests.recording, generated(ran)
    assert len(secrets) > 30
    # One search for all of them: there are some thousand texts.
    looked_for = re.compile("|".join(map(re.escape, secrets)))
    for each in recording.requests:
        for text in texts(each.raw, secret=False):
            assert not looked_for.search(text), each.name
    for outputs in recording.component_outputs.values():
        for text in texts(outputs, secret=False):
            assert not looked_for.search(text)
    for name, value in recording.outputs.items():
        if name not in recording.secret_outputs:
            assert not [text for text in texts(value) if looked_for.search(text)], name


def test_what_is_looked_for_is_there_where_it_may_be(
    run_stack: Callable[..., Any], stack: str
) -> None:
    """Otherwise its absence elsewhere would prove nothing."""
    ran = run_stack(stack, filled=True)
    outputs = "\n".join(
        text
        for name in ran.manifests.recording.secret_outputs
        for text in texts(ran.manifests.recording.outputs[name])
    )
    assert [secret for secret in generated(ran) if secret in outputs]


def test_every_image_is_pulled_by_digest_from_the_teams_registry(
    run_stack: Callable[..., Any], stack: str
) -> None:
    images = [
        container["image"]
        for pod in run_stack(stack, filled=True).manifests.pods().values()
        for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
    ]
    assert len(images) == 16
    for each in images:
        assert re.fullmatch(r"acme\.invalid/selfmonitor/[a-z]+@sha256:[0-9a-f]{64}", each)


def test_all_data_is_kept_in_london_and_dublin(run_stack: Callable[..., Any], stack: str) -> None:
    ran = run_stack(stack, filled=True)
    regions = {each.inputs["region"] for each in of_aws(ran) if "region" in each.inputs}
    assert regions == REGIONS
    providers = [
        each
        for each in ran.manifests.recording.requests
        if each.type.startswith("pulumi:providers:aws")
    ]
    assert {each.inputs["region"] for each in providers} == REGIONS
    assert {each.inputs["allowedAccountIds"] for each in providers} == {'["123456789012"]'}


def test_each_role_is_taken_on_by_service_accounts_that_the_stack_has(
    run_stack: Callable[..., Any], stack: str
) -> None:
    """A name that nobody bears would be a workload that cannot reach the vault."""
    ran = run_stack(stack, filled=True)
    accounts = {
        f"system:serviceaccount:{each['metadata']['namespace']}:{name}"
        for name, each in ran.manifests.of("ServiceAccount").items()
    }
    trusted = set()
    for role in ran.manifests.recording.of("Role"):
        if not role.type.startswith("aws:"):
            continue
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]:
            for key, value in statement.get("Condition", {}).get("StringEquals", {}).items():
                if key.endswith(":sub"):
                    trusted |= {value} if isinstance(value, str) else set(value)
    # load-redis is there while a stack begins with a backup.
    now_and_then = {f"system:serviceaccount:selfmonitor-{stack}:load-redis"}
    assert trusted - accounts == now_and_then
    assert len(trusted) == 6


def test_nothing_is_open_to_the_world(run_stack: Callable[..., Any], stack: str) -> None:
    ran = run_stack(stack, filled=True)
    balancers = [
        each
        for each in ran.manifests.of("Service").values()
        if each["spec"].get("type") == "LoadBalancer"
    ]
    assert len(balancers) == 2
    for each in balancers:
        annotations = each["metadata"]["annotations"]
        assert annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"
        assert each["spec"]["loadBalancerSourceRanges"] == ["10.20.30.0/25"]
    assert not [each for each in of_aws(ran) if each.type.startswith(("aws:wafv2", "aws:shield"))]


def test_what_is_locked_is_locked_for_as_long_as_the_file_says(
    run_stack: Callable[..., Any], stack: str
) -> None:
    locks = {
        each.inputs["bucket"]: each.inputs["rule"]["defaultRetention"]
        for each in run_stack(stack, filled=True).manifests.recording.of(
            "BucketObjectLockConfiguration"
        )
    }
    mode, days = {"production": ("COMPLIANCE", 38), "staging": ("GOVERNANCE", 15)}[stack]
    assert {each["mode"] for each in locks.values()} == {mode}
    assert sorted(each["days"] for each in locks.values()) == [days, days, 366]


def test_members_are_spread_over_nodes_and_zones_whatever_it_takes(
    run_stack: Callable[..., Any], stack: str
) -> None:
    manifests = run_stack(stack, filled=True).manifests
    for workload in ("postgres", "redis", "sentinel", "router"):
        spread = manifests.server(workload)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} >= {"topology.kubernetes.io/zone"}
        assert {each["whenUnsatisfiable"] for each in spread} == {"DoNotSchedule"}
