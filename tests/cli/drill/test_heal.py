"""What a drill that was killed has left is undone, all that can be."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.drill import command
from cli.errors import OperationFailed


@pytest.fixture
def healed(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    stub = SimpleNamespace(open_cluster=lambda ctx: cluster)
    monkeypatch.setitem(sys.modules, "cli.cluster", stub)

    def run() -> Result:
        return CliRunner().invoke(command.drill, ["heal"])

    return run


def test_every_member_is_connected_thawed_and_started(healed: Any, cluster: Any) -> None:
    assert healed().exit_code == 0
    assert cluster.calls[0] == ("mend_consensus", "")
    undone = [call for call in cluster.calls if call[1] == "redis-2"]
    assert undone == [("reconnect", "redis-2"), ("unpause", "redis-2"), ("start", "redis-2")]
    members = [member for what, member in cluster.calls if what == "start"]
    assert members == [
        *(f"etcd-{n}" for n in (1, 2, 3)),
        *(f"postgres-{n}" for n in (1, 2, 3)),
        *(f"sentinel-{n}" for n in (1, 2, 3)),
        *(f"redis-{n}" for n in (1, 2, 3)),
        "vault-1",
    ]


def test_what_cannot_be_undone_is_told_and_the_rest_is_undone(healed: Any, cluster: Any) -> None:
    cluster.fail_on["unpause", "postgres-1"] = OperationFailed("it is gone")
    found = healed()
    assert found.exit_code == 1
    assert "selfmonitor: postgres-1: it is gone" in found.stderr
    assert cluster.calls[-1] == ("start", "vault-1")
