"""Who really reaches whom: every pod tries every port of every other."""

import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from platforms.kubernetes_names import LABEL_KIND, LABEL_NETWORK, LABEL_WORKLOAD
from tests.cluster.running import ClusterStack
from tests.kubernetes.test_network import PORTS, WANTED

# A policy that drops leaves a caller waiting; what answers does so within milliseconds.
TRY_SECONDS = 3
# Behind the API server's own Service, which pods see under this name.
API_SERVER = "kubernetes.default.svc"


def ports_of(workload: str) -> list[int]:
    return sorted(PORTS.get(workload, ()))


def reached(stack: ClusterStack, pod: str, targets: list[tuple[str, str, int]]) -> set[Any]:
    """Those of (name, host, port) that accept a connection from within the pod."""
    tries = " ".join(
        f"(timeout {TRY_SECONDS} bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null"
        f" && echo {shlex.quote(f'{name} {port}')}) &"
        for name, host, port in targets
    )
    answer = stack.execute(pod, ["bash", "-c", f"{tries} wait; echo done"])
    lines = answer.split("\n")
    assert "done" in lines, f"{pod} could not try: {answer}"
    found = [line.split() for line in lines if line and line != "done"]
    return {(name, int(port)) for name, port in found}


def test_exactly_the_allowed_pairs_are_open(stack: ClusterStack) -> None:
    pods = stack.servers()
    targets = [
        (name, pod.status.pod_ip, port)
        for name, pod in pods.items()
        for port in ports_of(pod.metadata.labels[LABEL_WORKLOAD])
    ]
    assert len(targets) > len(pods)

    def found(name: str) -> set[Any]:
        # What a pod sends to its own address never leaves it.
        return reached(stack, name, [each for each in targets if each[0] != name])

    with ThreadPoolExecutor(4) as pool:
        measured = dict(zip(pods, pool.map(found, pods), strict=True))
    wanted = {
        begin: {
            (end, port)
            for end, _address, port in targets
            if end != begin
            and pods[end].metadata.labels[LABEL_WORKLOAD]
            in WANTED[pods[begin].metadata.labels[LABEL_WORKLOAD]]
        }
        for begin in pods
    }
    assert measured == wanted


def test_the_api_server_is_postgresqls_alone(stack: ClusterStack) -> None:
    pods = stack.servers()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda name: reached(stack, name, [("api", API_SERVER, 443)]), pods)
        measured = {name: bool(each) for name, each in zip(pods, found, strict=True)}
    assert measured == {
        name: pod.metadata.labels[LABEL_WORKLOAD] == "postgres" for name, pod in pods.items()
    }


def test_a_pod_without_its_network_label_is_cut_off(stack: ClusterStack) -> None:
    """Tried where nobody misses it."""
    (name,) = [each for each in stack.servers() if each.startswith("restore-test")]
    vault = [("vault-1", "vault-1", 7070)]
    assert reached(stack, name, vault)
    stack.label(name, {LABEL_NETWORK: None})
    try:
        assert stack.within(30, lambda: not reached(stack, name, vault))
    finally:
        stack.label(name, {LABEL_NETWORK: "joined"})
    assert stack.within(30, lambda: bool(reached(stack, name, vault)))


def test_every_pod_is_what_its_labels_say(stack: ClusterStack) -> None:
    assert {pod.metadata.labels[LABEL_KIND] for pod in stack.servers().values()} == {"server"}
