"""Who takes over from a primary that is about to be stopped, and what happens when nobody does."""

import base64
import importlib.machinery
import importlib.util
import io
import json
import sys
import urllib.error
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "images" / "postgres" / "hand-over"
PORT = 8008


@pytest.fixture(scope="module")
def script() -> Any:
    loader = importlib.machinery.SourceFileLoader("hand_over_under_test", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def member(number: int, role: str = "quorum_standby", state: str = "streaming") -> dict[str, Any]:
    return {"name": f"postgres-{number}", "role": role, "state": state}


def leader(number: int) -> dict[str, Any]:
    return member(number, "leader", "running")


class Patroni:
    """One member's, that does as it is told. answers: to switchovers, in order: None (done), or
    what it says instead.
    """

    def __init__(self, *members: dict[str, Any], paused: bool = False) -> None:
        self.members = list(members)
        self.paused = paused
        self.answers: list[str | None] = []
        self.asked: list[dict[str, str]] = []
        self.seconds = 0.0

    def ask(self, port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        assert port == PORT
        if (method, path) == ("GET", "/cluster"):
            return json.dumps({"members": self.members, **({"pause": True} if self.paused else {})})
        assert (method, path) == ("POST", "/switchover")
        self.asked.append(body)
        self.seconds += 12
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            content = io.BytesIO(answer.encode())
            raise urllib.error.HTTPError("https://x", 503, "no", Message(), content)
        return f'Successfully switched over to "{body["candidate"]}"'

    def candidates(self) -> list[str]:
        return [each["candidate"] for each in self.asked]


def hand_over(script: Any, patroni: Patroni, own: int) -> str | None:
    found: str | None = script.hand_over(
        f"postgres-{own}", PORT, ask=patroni.ask, clock=lambda: patroni.seconds
    )
    return found


@pytest.mark.parametrize(("own", "successor"), [(1, 2), (2, 3), (3, 1)])
def test_the_next_member_takes_over_since_an_update_has_been_there(
    script: Any, own: int, successor: int
) -> None:
    members = [leader(n) if n == own else member(n) for n in (1, 2, 3)]
    patroni = Patroni(*members)
    assert hand_over(script, patroni, own) is None
    assert patroni.asked == [{"leader": f"postgres-{own}", "candidate": f"postgres-{successor}"}]


def test_an_update_of_all_costs_one_switchover_unless_the_last_member_leads(script: Any) -> None:
    """A StatefulSet replaces its pods from the last to the first, whoever leads."""

    def switchovers(first: int) -> tuple[int, int]:
        primary, count = first, 0
        for replaced in (3, 2, 1):
            if replaced == primary:
                patroni = Patroni(*(leader(n) if n == primary else member(n) for n in (1, 2, 3)))
                hand_over(script, patroni, replaced)
                primary, count = int(patroni.candidates()[0][-1]), count + 1
        return count, primary

    assert [switchovers(first) for first in (1, 2, 3)] == [(1, 2), (1, 3), (2, 2)]


def test_members_are_ordered_as_numbers(script: Any) -> None:
    cluster = {"members": [leader(9), *(member(n) for n in (2, 10, 11))]}
    assert script.candidates(cluster, "postgres-9") == ["postgres-10", "postgres-11", "postgres-2"]


def test_a_member_that_does_not_lead_has_nothing_to_hand_over(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    assert hand_over(script, patroni, 2) is None
    assert patroni.asked == []


def test_without_a_leader_there_is_nothing_to_hand_over(script: Any) -> None:
    patroni = Patroni(member(1, "replica"), member(2, "replica"))
    assert hand_over(script, patroni, 1) is None
    assert patroni.asked == []


@pytest.mark.parametrize(
    "unfit",
    [member(2, "replica"), member(2, state="starting"), member(2, "sync_standby", "stopped")],
)
def test_only_a_standby_that_has_every_commit_is_asked(script: Any, unfit: Any) -> None:
    patroni = Patroni(leader(1), unfit, member(3))
    assert hand_over(script, patroni, 1) is None
    assert patroni.candidates() == ["postgres-3"]


def test_with_nobody_in_the_quorum_it_says_so_and_changes_nothing(script: Any) -> None:
    patroni = Patroni(leader(1), member(2, "replica"))
    assert hand_over(script, patroni, 1) == "no standby is in the quorum"
    assert patroni.asked == []


def test_a_paused_cluster_is_left_alone(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), paused=True)
    assert hand_over(script, patroni, 1) == "the cluster is paused"
    assert patroni.asked == []


def test_who_cannot_take_over_is_followed_by_the_next(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    patroni.answers = ["Switchover\nfailed"]
    assert hand_over(script, patroni, 1) is None
    assert patroni.candidates() == ["postgres-2", "postgres-3"]


def test_why_nobody_took_over_is_one_line_and_the_time_is_bounded(script: Any) -> None:
    patroni = Patroni(leader(1), *(member(n) for n in range(2, 8)))
    patroni.answers = ["Switchover\nstatus unknown"] * 6
    why = hand_over(script, patroni, 1)
    assert why == "postgres-3 did not take over: Switchover status unknown"
    assert patroni.candidates() == ["postgres-2", "postgres-3"]


def test_a_role_that_moved_although_the_answer_was_lost_is_done(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))

    def ask(port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        if method == "POST":
            patroni.members = [member(1, "replica"), leader(2), member(3)]
            raise TimeoutError("timed out")
        return patroni.ask(port, method, path)

    assert script.hand_over("postgres-1", PORT, ask=ask) is None


def test_the_password_is_told_where_there_is_one(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "FILES", f"{tmp_path}/")
    assert "Authorization" not in script.headers()
    (tmp_path / "restapi.password").write_text("secret\n")
    encoded = base64.b64encode(b"restapi:secret").decode()
    assert script.headers()["Authorization"] == f"Basic {encoded}"


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (ConnectionRefusedError("refused"), "does not answer: refused"),
        (ValueError("no\nJSON"), "does not answer: no JSON"),
    ],
)
def test_without_an_answer_it_fails_in_one_line(
    script: Any, monkeypatch: pytest.MonkeyPatch, failure: Exception, says: str
) -> None:
    def no_answer(*arguments: Any, **others: Any) -> str:
        raise failure

    fails: Callable[..., Any] = script.hand_over
    monkeypatch.setattr(script, "hand_over", lambda own, port: fails(own, port, ask=no_answer))
    monkeypatch.setattr(sys, "argv", ["hand-over", "8008"])
    monkeypatch.setenv("PATRONI_NAME", "postgres-1")
    with pytest.raises(SystemExit) as ended:
        script.main()
    message = str(ended.value.code)
    assert message.startswith("hand-over: not handed over: ")
    assert message.endswith(says)
    assert len(message.splitlines()) == 1
