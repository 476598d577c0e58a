"""Members cut from the network, and from what they agree in; and all of it as it was."""

import json
import os
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from cli import kubernetes_cut as module
from cli.errors import OperationFailed
from cli.kubernetes_consensus import BEFORE, excepting

JOINED = "selfmonitor.io/network"
OWN = {"manager": "pulumi-kubernetes-1", "operation": "Apply"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(module, "EFFECTIVE_SECONDS", 0.2)
    monkeypatch.delenv(module.CUT_COMMAND, raising=False)


def network_label(api: Any, member: str) -> str | None:
    found: str | None = api.objects["pods", member]["metadata"]["labels"].get(JOINED)
    return found


@pytest.fixture
def enforced(api: Any) -> list[int]:
    """Policies reach nodes a moment later; counts attempts at a connection since the cut."""
    attempts: list[int] = []

    def connects(command: list[str]) -> tuple[int, bytes, bytes]:
        if command[0] != "python3":
            return 0, b"", b""
        if network_label(api, "postgres-1") == "joined":
            return 0, b"", b""
        attempts.append(1)
        return (0 if len(attempts) < 3 else 1), b"", b""

    api.answers["postgres"] = connects
    return attempts


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that writes down what it was given."""
    path = tmp_path / "cut connections"
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/cut\n')
    path.chmod(0o755)
    monkeypatch.setenv(module.CUT_COMMAND, f"'{path}' --now")
    return tmp_path / "cut"


def test_a_cut_pod_loses_the_label_and_is_waited_for_until_it_reaches_nobody(
    api: Any, cluster: Any, enforced: list[int]
) -> None:
    cluster.disconnect("postgres-1")
    assert network_label(api, "postgres-1") is None
    assert len(enforced) == 3
    assert network_label(api, "postgres-2") == "joined"
    cluster.reconnect("postgres-1")
    assert network_label(api, "postgres-1") == "joined"


def test_connections_that_are_open_are_ended_once_no_new_one_is(
    api: Any, cluster: Any, enforced: list[int], hook: Path
) -> None:
    cluster.disconnect("postgres-1")
    assert len(enforced) == 3
    assert hook.read_text() == "--now selfmonitor-shop postgres-1\n"


def test_a_command_that_fails_or_is_none_fails_the_cut(
    api: Any, cluster: Any, hook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["redis"] = lambda command: (1, b"", b"")
    (tmp_path / "cut connections").write_text("#!/bin/sh\necho no conntrack >&2\nexit 4\n")
    with pytest.raises(OperationFailed, match="SELFMONITOR_CUT_CONNECTIONS ended with 4") as caught:
        cluster.disconnect("redis-1")
    assert caught.value.details == ("no conntrack",)
    monkeypatch.setenv(module.CUT_COMMAND, str(tmp_path / "nothing"))
    with pytest.raises(OperationFailed, match=r"SELFMONITOR_CUT_CONNECTIONS: .*No such file"):
        cluster.disconnect("redis-1")


def test_a_network_that_enforces_nothing_is_told(api: Any, cluster: Any) -> None:
    with pytest.raises(OperationFailed, match=r"still reaches 10\.244\.0\.\d+:5432.*NetworkPolicy"):
        cluster.disconnect("postgres-1")
    assert network_label(api, "postgres-1") is None, "which the drill undoes"


def test_the_way_to_the_others_is_what_it_is_seen_by(
    api: Any, cluster: Any, enforced: list[int]
) -> None:
    cluster.disconnect("postgres-1")
    tried = [command for pod, command in api.commands if pod == "postgres-1"]
    address = api.objects["pods", "postgres-2"]["status"]["podIP"]
    assert {tuple(command[-2:]) for command in tried} == {(address, "5432")}


# Consensus.


def block(cidr: str, *excepted: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepted)} if excepted else {})}}


PODS = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "vault"}}}
SERVERS = {ip_address("10.96.0.1"), ip_address("10.240.0.1")}


@pytest.mark.parametrize(
    ("places", "left"),
    [
        ([block("0.0.0.0/0")], [block("0.0.0.0/0", "10.96.0.1/32", "10.240.0.1/32")]),
        (
            [block("10.0.0.0/8", "10.5.0.0/16")],
            [block("10.0.0.0/8", "10.5.0.0/16", "10.96.0.1/32", "10.240.0.1/32")],
        ),
        ([block("10.96.0.1/32"), block("192.0.2.0/24")], [block("192.0.2.0/24")]),
        ([PODS, block("10.240.0.1/32")], [PODS]),
        ([PODS], [PODS]),
    ],
)
def test_only_the_api_server_is_taken_out(places: list[Any], left: list[Any]) -> None:
    rule = {"to": places, "ports": [{"port": 443, "protocol": "TCP"}]}
    (found,) = excepting([rule], SERVERS)  # type: ignore[arg-type]
    assert found["ports"] == rule["ports"]
    assert sorted(map(json.dumps, found["to"])) == sorted(map(json.dumps, left))
    for place in found["to"]:
        if "ipBlock" in place:
            inside = ip_network(place["ipBlock"]["cidr"])
            assert all(
                ip_network(each).subnet_of(inside) and ip_network(each) != inside
                for each in place["ipBlock"].get("except", ())
            ), "what the API server takes"


def test_a_rule_to_the_api_server_alone_is_left_out_and_never_becomes_one_to_everywhere() -> None:
    rules = [{"to": [block("10.240.0.1/32")], "ports": [{"port": 6443}]}, {"to": [PODS]}]
    assert excepting(rules, SERVERS) == [{"to": [PODS]}]  # type: ignore[arg-type]


@pytest.fixture
def policy(api: Any) -> dict[str, Any]:
    """The members' policy, and where the API server is."""
    api.elsewhere["default", "services", "kubernetes"] = {
        "metadata": {"name": "kubernetes"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]},
    }
    api.elsewhere["default", "endpointslices", "kubernetes"] = {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "endpoints": [{"addresses": ["10.240.0.1"]}],
        "ports": [{"port": 6443}],
    }
    egress = [
        {"to": [PODS], "ports": [{"port": 7070, "protocol": "TCP"}]},
        {"to": [block("0.0.0.0/0")], "ports": [{"port": 443}, {"port": 6443}]},
    ]
    found: dict[str, Any] = api.add(
        "networkpolicies",
        "postgres-out",
        metadata={"managedFields": [OWN], "annotations": {"team": "shop"}},
        spec={"podSelector": {}, "policyTypes": ["Egress"], "egress": egress},
    )
    # What is asked from inside a pod answers by the policy in force.
    api.answers["postgres"] = lambda command: (
        int(
            command[0] == "python3"
            and f"{command[-2]}/32" in json.dumps(api.objects["networkpolicies", "postgres-out"])
        ),
        b"",
        b"",
    )
    return found


def test_the_way_to_the_api_server_is_cut_and_then_exactly_as_it_was(
    api: Any, cluster: Any, policy: dict[str, Any], hook: Path
) -> None:
    before = json.loads(json.dumps(policy))
    cluster.cut_consensus()
    cut = api.objects["networkpolicies", "postgres-out"]
    assert cut["spec"]["egress"][0] == before["spec"]["egress"][0]
    assert cut["spec"]["egress"][1]["to"] == [block("0.0.0.0/0", "10.96.0.1/32", "10.240.0.1/32")]
    assert hook.read_text().splitlines() == [
        f"--now selfmonitor-shop postgres-{n} 10.96.0.1 10.240.0.1" for n in (1, 2, 3)
    ]
    cluster.mend_consensus()
    after = api.objects["networkpolicies", "postgres-out"]
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == {"team": "shop"}
    assert after["metadata"]["managedFields"] == [OWN], "the next up may change it"


def test_a_second_cut_keeps_what_was_before_the_first(
    api: Any, cluster: Any, policy: dict[str, Any]
) -> None:
    before = json.loads(json.dumps(policy["spec"]))
    cluster.cut_consensus()
    cluster.cut_consensus()
    kept = api.objects["networkpolicies", "postgres-out"]["metadata"]["annotations"][BEFORE]
    assert json.loads(kept)["egress"] == before["egress"]
    cluster.mend_consensus()
    assert api.objects["networkpolicies", "postgres-out"]["spec"] == before


def test_where_nothing_is_cut_nothing_is_mended(
    api: Any, cluster: Any, policy: dict[str, Any]
) -> None:
    cluster.mend_consensus()
    assert api.did == []


def test_a_policy_without_a_way_to_the_api_server_is_no_silent_success(
    api: Any, cluster: Any, policy: dict[str, Any]
) -> None:
    policy["spec"]["egress"] = [{"to": [PODS]}]
    with pytest.raises(OperationFailed, match="nothing to cut"):
        cluster.cut_consensus()
    del api.objects["networkpolicies", "postgres-out"]
    with pytest.raises(OperationFailed, match="there is no NetworkPolicy postgres-out"):
        cluster.cut_consensus()
    cluster.mend_consensus()


def test_an_api_server_that_nobody_names_is_told(
    api: Any, cluster: Any, policy: dict[str, Any]
) -> None:
    api.elsewhere.clear()
    with pytest.raises(OperationFailed, match="nobody says where the API server is"):
        cluster.cut_consensus()
    assert api.did == []


def test_no_command_is_run_where_none_is_given(cluster: Any) -> None:
    assert module.CUT_COMMAND not in os.environ
    module.cut_connections("selfmonitor-shop", "postgres-1")
