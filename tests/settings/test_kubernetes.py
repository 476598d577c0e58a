"""Kubernetes: what is given when nothing is said, and what does not fit together."""

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from settings.errors import SettingsError
from settings.kubernetes import KubernetesSettings
from settings.load import from_engine, parse


def refusal(**values: Any) -> str:
    """The message, after the file's name; exactly one line."""
    with pytest.raises(SettingsError) as caught:
        parse(values, "Pulumi.staging.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.removeprefix("Pulumi.staging.yaml: ")


def given(**kubernetes: Any) -> KubernetesSettings:
    found = parse({"platform": "kubernetes", "kubernetes": kubernetes}, "Pulumi.staging.yaml")
    assert found.kubernetes is not None
    return found.kubernetes


def test_nothing_has_to_be_given() -> None:
    assert parse({"platform": "kubernetes"}, "x").kubernetes is None
    found = given()
    assert found == KubernetesSettings()
    assert found.namespace_of("staging") == "selfmonitor-staging"
    assert (found.spread, found.load_balancer, found.clients) == ("required", "internal", ())
    assert found.registry is None


def test_a_stack_file_says_everything_as_text() -> None:
    text = {
        "namespace": "databases",
        "storage_class": "fast.io1",
        "clients": [{"network": "10.1.0.0/16"}, {"namespace_labels": {"team": "shop"}}],
        "api_server_networks": ["10.0.0.1/32"],
        "registry": "registry.example.com:5000/team/selfmonitor",
    }
    configuration = {
        "selfmonitor:platform": "kubernetes",
        "selfmonitor:kubernetes": json.dumps(text),
    }
    found = from_engine(configuration, "staging").kubernetes
    assert found is not None
    assert found.namespace_of("staging") == "databases"
    assert found.clients[0].network == IPv4Network("10.1.0.0/16")
    assert found.clients[1].namespace_labels == {"team": "shop"}
    assert found.api_server_networks == (IPv4Network("10.0.0.1/32"),)


@pytest.mark.parametrize(
    ("kubernetes", "message"),
    [
        ({"namespace": "Data_Bases"}, "kubernetes.namespace: "),
        ({"namespace": "x" * 64}, "kubernetes.namespace: "),
        ({"registry": "https://registry.example.com"}, "kubernetes.registry: "),
        ({"registry": "registry.example.com/app:tag"}, "kubernetes.registry: "),
        ({"spread": "always"}, "kubernetes.spread: must be 'required' or 'preferred', "),
        ({"cpu_request_share": 0}, "kubernetes.cpu_request_share: must be greater than 0"),
        ({"cpu_request_share": 1.1}, "kubernetes.cpu_request_share: must be less than or equal"),
        (
            {"clients": [{}]},
            "kubernetes.clients[0]: give namespace_labels or network, and not both",
        ),
        (
            {"clients": [{"network": "10.0.0.0/8", "namespace_labels": {"a": "b"}}]},
            "kubernetes.clients[0]: give namespace_labels or network, and not both",
        ),
        (
            {"clients": [{"network": "10.0.0.1/8"}]},
            "kubernetes.clients[0].network: expected an IPv4",
        ),
        ({"clients": [{"namespace_labels": {}}]}, "kubernetes.clients[0].namespace_labels: "),
        ({"api_server_networks": []}, "kubernetes.api_server_networks: "),
        ({"namespace": "default"}, "kubernetes.namespace: default is the cluster's own: "),
        ({"namespace": "kube-system"}, "kubernetes.namespace: kube-system is the cluster's own: "),
        (
            {"load_balancer": "none", "load_balancer_annotations": {"a": "b"}},
            "kubernetes: load_balancer_annotations is given, but load_balancer is none",
        ),
        (
            {"image_pull_secrets": ["registry"]},
            "kubernetes: image_pull_secrets is given, but no registry",
        ),
        ({"context": ""}, "kubernetes.context: "),
        ({"api_server_ports": [0]}, "kubernetes.api_server_ports[0]: must be greater than"),
        (
            {"storag_class": "x"},
            "kubernetes.storag_class: unknown key; did you mean storage_class?",
        ),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(kubernetes: dict[str, Any], message: str) -> None:
    assert refusal(platform="kubernetes", kubernetes=kubernetes).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"kubernetes": {}},
            "kubernetes is given, but platform is docker: set platform: kubernetes",
        ),
        (
            {"postgres": {"volume_gib": 20}},
            "postgres.volume_gib is given, but platform is docker, whose volumes have no size: "
            "leave it out",
        ),
        ({"redis": {"volume_gib": 5}}, "redis.volume_gib is given, but platform is docker"),
        ({"backup": {"volume_gib": 5}}, "backup.volume_gib is given, but platform is docker"),
        (
            {"backup": {"vault": {"volume_gib": 5}}},
            "backup.vault.volume_gib is given, but platform is docker",
        ),
        (
            {"platform": "kubernetes", "bind_address": "10.1.2.3"},
            "bind_address is given, but platform is kubernetes, which hands out addresses itself: "
            "leave it out",
        ),
        (
            {"platform": "kubernetes", "subnet": "10.99.0.0/16"},
            "subnet is given, but platform is kubernetes",
        ),
        (
            {"platform": "kubernetes", "postgres": {"consensus_members": 3}},
            "postgres.consensus_members is given, but platform is kubernetes, whose API server is "
            "the consensus store: leave it out",
        ),
        (
            {"platform": "kubernetes", "postgres": {"routers": {"port_step": 10}}},
            "postgres.routers.port_step is given, but platform is kubernetes, where all routers "
            "have one address: leave it out",
        ),
    ],
)
def test_what_is_of_the_other_platform_is_refused(values: dict[str, Any], message: str) -> None:
    assert refusal(**values).startswith(message)


def test_pulumis_own_defaults_for_docker_are_no_mistake_of_the_stack_file() -> None:
    """The engine gives them to every stack (Pulumi.yaml)."""
    found = parse(
        {"platform": "kubernetes", "bind_address": "127.0.0.1", "subnet": "10.87.0.0/20"}, "x"
    )
    assert found.platform == "kubernetes"
