"""update-members: whom an update on Kubernetes replaces next, and what it waits for first."""

import io
import urllib.error
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

ROLE = "selfmonitor.io/role"
OLD, NEW = "postgres-5f7c", "postgres-86b4"
# Far more steps than an update of three takes.
SECONDS = 1000


@pytest.fixture(scope="module")
def script(image_programs: Callable[..., Any]) -> Any:
    return image_programs("postgres", {"update_members": "update-members"}).update_members


def refusal(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://api", code, "refused", Message(), io.BytesIO())


class Cluster:
    """A StatefulSet of three as the API server tells of it, and a clock that waiting moves on.

    An evicted primary hands over to `successor`; who was evicted is back, updated, `away` s later
    and available `settles` s after that.
    """

    def __init__(self, leads: int) -> None:
        self.now = 0.0
        self.away, self.settles = 5.0, 10.0
        self.primary: str | None = f"postgres-{leads}"
        self.successor: Callable[[list[str]], str] = lambda updated: updated[-1]
        self.revisions = {f"postgres-{n}": OLD for n in (1, 2, 3)}
        self.wanted = NEW
        self.seen = True
        self.broken: set[str] = set()
        self.since: dict[str, float] = dict.fromkeys(self.revisions, -100.0)
        self.evicted: list[str] = []
        self.primaries: list[str] = []
        self.errors: list[Exception] = []
        self.held: list[int] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def is_there(self, name: str) -> bool:
        return self.now >= self.since[name]

    def is_ready(self, name: str) -> bool:
        return self.is_there(name) and name not in self.broken

    def is_available(self, name: str) -> bool:
        return self.is_ready(name) and self.now >= self.since[name] + self.settles

    def ask(self, method: str, group: str, path: str, body: Any = None) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        if method == "POST":
            assert (group, path) == ("api/v1", f"pods/{body['metadata']['name']}/eviction")
            return self.evict(body)
        if path == "statefulsets/postgres":
            assert group == "apis/apps/v1"
            return self.stateful_set()
        assert group == "api/v1"
        return self.pod(path.removeprefix("pods/"))

    def stateful_set(self) -> dict[str, Any]:
        return {
            "metadata": {"name": "postgres", "generation": 7},
            "spec": {"replicas": 3, "ordinals": {"start": 1}},
            "status": {
                "observedGeneration": 7 if self.seen else 6,
                "updateRevision": self.wanted,
                "availableReplicas": sum(map(self.is_available, self.revisions)),
            },
        }

    def pod(self, name: str) -> dict[str, Any]:
        if not self.is_there(name):
            raise refusal(404)
        status = "True" if self.is_ready(name) else "False"
        labels = {
            "controller-revision-hash": self.revisions[name],
            ROLE: "primary" if name == self.primary else "replica",
        }
        return {
            "metadata": {"name": name, "uid": f"{name}@{self.since[name]}", "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }

    def evict(self, body: Any) -> dict[str, Any]:
        name = body["metadata"]["name"]
        if self.held:
            raise refusal(self.held.pop(0))
        assert body["deleteOptions"]["preconditions"]["uid"] == f"{name}@{self.since[name]}"
        others = [each for each in self.revisions if each != name]
        assert name in self.broken or all(map(self.is_available, others)), "two at once"
        self.evicted.append(name)
        self.revisions[name] = self.wanted
        self.broken.discard(name)
        if name == self.primary:
            updated = [each for each in others if self.revisions[each] == self.wanted]
            self.primary = self.successor(updated or others)
            self.primaries.append(self.primary)
        self.since[name] = self.now + self.away
        return {}


def carry_out(script: Any, cluster: Cluster, seconds: float = SECONDS) -> str | None:
    found: str | None = script.Update(
        *("postgres", ROLE, cluster.ask, "shop"), clock=lambda: cluster.now, sleep=cluster.sleep
    ).carry_out(seconds)
    return found


@pytest.mark.parametrize(("leads", "order"), [(1, [3, 2, 1]), (2, [3, 1, 2]), (3, [2, 1, 3])])
def test_the_primary_is_replaced_last_and_so_moves_once(
    script: Any, leads: int, order: list[int]
) -> None:
    cluster = Cluster(leads)
    assert carry_out(script, cluster) is None
    assert cluster.evicted == [f"postgres-{n}" for n in order]
    assert len(cluster.primaries) == 1
    assert set(cluster.revisions.values()) == {NEW}


def test_nobody_is_replaced_where_all_are_as_they_are_to_be(script: Any) -> None:
    cluster = Cluster(1)
    cluster.wanted = OLD
    assert carry_out(script, cluster) is None
    assert cluster.evicted == []


def test_it_is_done_only_when_the_last_one_is_available(script: Any) -> None:
    cluster = Cluster(1)
    carry_out(script, cluster)
    assert cluster.now >= cluster.since["postgres-1"] + cluster.settles


def test_what_was_begun_by_another_is_finished(script: Any) -> None:
    cluster = Cluster(3)
    cluster.revisions["postgres-2"] = NEW
    assert carry_out(script, cluster) is None
    assert cluster.evicted == ["postgres-1", "postgres-3"]


def test_a_primary_that_changes_meanwhile_is_still_the_last(script: Any) -> None:
    cluster = Cluster(1)
    plain = cluster.evict

    def evict(body: Any) -> Any:
        found = plain(body)
        if len(cluster.evicted) == 1:
            cluster.primary = "postgres-2"
        return found

    cluster.evict = evict  # type: ignore[method-assign]
    assert carry_out(script, cluster) is None
    assert cluster.evicted == ["postgres-3", "postgres-1", "postgres-2"]


def test_an_old_member_that_is_not_ready_comes_first(script: Any) -> None:
    """What is wrong with it may be what the update mends, and waiting for it would be for ever."""
    cluster = Cluster(1)
    cluster.broken = {"postgres-2"}
    assert carry_out(script, cluster) is None
    assert cluster.evicted == ["postgres-2", "postgres-3", "postgres-1"]


def test_an_updated_member_that_is_not_ready_holds_the_others_up(script: Any) -> None:
    cluster = Cluster(1)
    cluster.revisions["postgres-3"] = NEW
    cluster.broken = {"postgres-3"}
    assert carry_out(script, cluster) == "1 of 3 members to be available"
    assert cluster.evicted == []


def test_an_update_that_the_controller_has_not_seen_is_waited_for(script: Any) -> None:
    cluster = Cluster(1)
    cluster.wanted, cluster.seen = OLD, False
    assert carry_out(script, cluster, 20) == "the StatefulSet's controller to see the update"


def test_without_a_primary_nobody_is_taken_away(script: Any) -> None:
    cluster = Cluster(1)
    cluster.primary = None
    assert carry_out(script, cluster, 20) == "a primary"
    assert cluster.evicted == []


@pytest.mark.parametrize("code", [429, 409])
def test_a_disruption_budget_that_says_no_is_asked_again(script: Any, code: int) -> None:
    cluster = Cluster(1)
    cluster.held = [code, code]
    assert carry_out(script, cluster) is None
    assert len(cluster.evicted) == 3


def test_one_that_is_gone_before_it_is_evicted_is_no_failure(script: Any) -> None:
    cluster = Cluster(1)
    cluster.held = [404]
    assert carry_out(script, cluster) is None


@pytest.mark.parametrize(
    "error", [refusal(500), urllib.error.URLError("refused"), TimeoutError(), ValueError("no JSON")]
)
def test_an_api_server_that_does_not_answer_is_asked_again(script: Any, error: Exception) -> None:
    cluster = Cluster(1)
    cluster.errors = [error] * 5
    assert carry_out(script, cluster) is None
    cluster = Cluster(1)
    cluster.errors = [error] * SECONDS
    assert "the API server to answer" in str(carry_out(script, cluster, 20))


def test_rights_that_are_missing_are_named_in_the_end(script: Any) -> None:
    cluster = Cluster(1)
    cluster.held = [403] * SECONDS
    assert "403" in str(carry_out(script, cluster, 20))
