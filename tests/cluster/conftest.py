"""A real cluster, whichever KUBECONFIG names, with the whole stack on it.

    KUBECONFIG=… python -m pytest tests/cluster

Its nodes must have the images (kubernetes.registry is not set: selfmonitor/NAME:HASH), and its
network must enforce NetworkPolicy. Everything is in one namespace and one PriorityClass, both
called selfmonitor-clustertest, and deleted afterwards; SELFMONITOR_KEEP_STACK=1 keeps them, and the
next run uses them as they are.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import kubernetes
import pytest

from tests.cluster.running import ClusterStack

SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a cluster, and may take minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def api() -> kubernetes.client.ApiClient:
    """The cluster's API; without one the test is skipped."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: set KUBECONFIG to one whose nodes have the stack's images")
    return kubernetes.config.new_client_from_config()


@pytest.fixture(scope="session")
def stack(
    api: kubernetes.client.ApiClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterStack]:
    """The stack, up when the session begins."""
    running = ClusterStack(api, tmp_path_factory.mktemp("cluster"))
    if not running.project.state_file.exists():
        # Left by a run of another clone that was killed: its passwords are not here.
        running.down()
    running.up(print)
    yield running
    if os.environ.get("SELFMONITOR_KEEP_STACK") != "1":
        running.down()
