"""Who takes over from a primary that is about to be stopped, and what happens when nobody does."""

import base64
import datetime
import functools
import io
import json
import sys
import urllib.error
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

PORT = 8008


@pytest.fixture(scope="module")
def script(image_programs: Callable[..., Any]) -> Any:
    return image_programs("postgres", {"hand_over": "hand-over"}).hand_over


def member(number: int, role: str = "quorum_standby", state: str = "streaming") -> dict[str, Any]:
    return {"name": f"postgres-{number}", "role": role, "state": state}


def leader(number: int) -> dict[str, Any]:
    return member(number, "leader", "running")


class Patroni:
    """One member's, that does as it is told. answers: to switchovers, in order: None (done), False
    (not done when the time has come), or what it says instead. Time passes where it is slept.
    """

    def __init__(self, *members: dict[str, Any], paused: bool = False) -> None:
        self.members = list(members)
        self.paused = paused
        self.answers: list[str | bool | None] = []
        self.asked: list[dict[str, str]] = []
        self.done: list[str] = []
        self.now = 1000.0
        self.loop_wait = 2
        self.planned: dict[str, str] | None = None
        self.refuses = False

    def ask(self, port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        assert port == PORT
        if (method, path) == ("GET", "/config"):
            return json.dumps({"loop_wait": self.loop_wait})
        if (method, path) == ("GET", "/cluster"):
            return json.dumps(self.cluster())
        assert (method, path) == ("POST", "/switchover")
        self.asked.append(body)
        self.done.append("switchover")
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, str):
            self.now += 12
            content = io.BytesIO(answer.encode())
            raise urllib.error.HTTPError("https://x", 503, "no", Message(), content)
        self.planned = body
        self.refuses = answer is False
        return "Switchover scheduled"

    def cluster(self) -> dict[str, Any]:
        if self.planned and self.now >= self.moment():
            if not self.refuses:
                self.members = [
                    {**each, "role": self.role_after(each["name"])} for each in self.members
                ]
            self.planned = None
        found: dict[str, Any] = {"members": self.members}
        if self.planned:
            found["scheduled_switchover"] = {"at": self.planned["scheduled_at"]}
        return {**found, **({"pause": True} if self.paused else {})}

    def role_after(self, name: str) -> str:
        assert self.planned is not None
        return "leader" if name == self.planned["candidate"] else "replica"

    def moment(self) -> float:
        assert self.planned is not None
        return datetime.datetime.fromisoformat(self.planned["scheduled_at"]).timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def candidates(self) -> list[str]:
        return [each["candidate"] for each in self.asked]


def hand_over(script: Any, patroni: Patroni, own: int, *to: str, ask: Any = None) -> str | None:
    found: str | None = script.HandOver(
        f"postgres-{own}",
        PORT,
        ask=ask or patroni.ask,
        clock=lambda: patroni.now,
        sleep=patroni.sleep,
        write_out=lambda: patroni.done.append("checkpoint"),
    ).carry_out(*to)
    return found


def refusal(script: Any, patroni: Patroni, own: int, *to: str) -> str:
    with pytest.raises(script.NotHandedOver) as why:
        hand_over(script, patroni, own, *to)
    return str(why.value)


@pytest.mark.parametrize(("own", "successor"), [(1, 2), (2, 3), (3, 1)])
def test_the_next_member_takes_over_since_an_update_has_been_there(
    script: Any, own: int, successor: int
) -> None:
    members = [leader(n) if n == own else member(n) for n in (1, 2, 3)]
    patroni = Patroni(*members)
    assert hand_over(script, patroni, own) == f"postgres-{successor}"
    [asked] = patroni.asked
    assert (asked["leader"], asked["candidate"]) == (f"postgres-{own}", f"postgres-{successor}")


@pytest.mark.parametrize("loop_wait", [2, 10])
def test_the_routers_know_of_it_ahead_and_the_checkpoint_is_before_that(
    script: Any, loop_wait: int
) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    patroni.loop_wait = loop_wait
    hand_over(script, patroni, 1)
    moment = datetime.datetime.fromisoformat(patroni.asked[0]["scheduled_at"])
    # Patroni refuses a time without its zone; its loop has to see the plan before the time.
    assert moment.tzinfo is not None
    assert moment.timestamp() - 1000.0 == pytest.approx(loop_wait + 2.5)
    assert patroni.done == ["checkpoint", "switchover"]


def test_a_successor_that_is_named_is_the_only_one_asked(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    assert hand_over(script, patroni, 1, "postgres-3") == "postgres-3"
    patroni = Patroni(leader(1), member(2), member(3, "replica"))
    assert refusal(script, patroni, 1, "postgres-3") == "postgres-3 is not in the quorum"
    assert patroni.asked == []


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
    assert hand_over(script, patroni, 1) == "postgres-3"
    assert patroni.candidates() == ["postgres-3"]


def test_with_nobody_in_the_quorum_it_says_so_and_changes_nothing(script: Any) -> None:
    patroni = Patroni(leader(1), member(2, "replica"))
    assert refusal(script, patroni, 1) == "no standby is in the quorum"
    assert patroni.done == []


def test_a_paused_cluster_is_left_alone(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), paused=True)
    assert refusal(script, patroni, 1) == "the cluster is paused"
    assert patroni.done == []


def test_it_ends_once_commits_are_confirmed_again_and_not_before(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    confirmed_at = 1007.0

    def ask(port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        said = patroni.ask(port, method, path, body)
        if path != "/cluster" or patroni.now < confirmed_at:
            return said
        return said.replace(
            '"postgres-3", "role": "replica"', '"postgres-3", "role": "quorum_standby"'
        )

    assert hand_over(script, patroni, 1, ask=ask) == "postgres-2"
    assert confirmed_at <= patroni.now < confirmed_at + 2


def test_a_standby_that_does_not_come_is_not_waited_for_long(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    assert hand_over(script, patroni, 1) == "postgres-2"
    assert patroni.now == pytest.approx(1000.0 + 4.5 + 5, abs=1)


@pytest.mark.parametrize("answer", ["Switchover\nfailed", False])
def test_who_cannot_take_over_is_followed_by_the_next(script: Any, answer: str | bool) -> None:
    patroni = Patroni(leader(1), member(2), member(3))
    patroni.answers = [answer]
    assert hand_over(script, patroni, 1) == "postgres-3"
    assert patroni.candidates() == ["postgres-2", "postgres-3"]


def test_why_nobody_took_over_is_one_line_and_the_time_is_bounded(script: Any) -> None:
    patroni = Patroni(leader(1), *(member(n) for n in range(2, 8)))
    patroni.answers = ["Switchover\nstatus unknown"] * 6
    why = refusal(script, patroni, 1)
    assert why == "postgres-3 did not take over: Switchover status unknown"
    assert patroni.candidates() == ["postgres-2", "postgres-3"]


def test_a_role_that_is_not_taken_up_by_anybody_is_waited_for_and_then_given_up(
    script: Any,
) -> None:
    patroni = Patroni(leader(1), member(2))

    def ask(port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        if path == "/cluster" and patroni.asked:
            return json.dumps({"members": [member(1, "replica"), member(2, "replica")]})
        return patroni.ask(port, method, path, body)

    with pytest.raises(script.NotHandedOver, match="postgres-2 did not take over"):
        hand_over(script, patroni, 1, ask=ask)
    assert patroni.now - 1000.0 == pytest.approx(4.5 + 20, abs=1)


def test_a_role_that_moved_although_the_answer_was_lost_is_done(script: Any) -> None:
    patroni = Patroni(leader(1), member(2), member(3))

    def ask(port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        answer = patroni.ask(port, method, path, body)
        if method == "POST":
            raise TimeoutError("timed out")
        return answer

    assert hand_over(script, patroni, 1, ask=ask) == "postgres-2"
    assert patroni.candidates() == ["postgres-2"]


def test_a_member_too_busy_to_answer_meanwhile_is_asked_again(script: Any) -> None:
    patroni = Patroni(leader(1), member(2))
    silent = [3]

    def ask(port: int, method: str, path: str, body: Any = None, seconds: float = 0) -> str:
        if path == "/cluster" and patroni.asked and silent[0]:
            silent[0] -= 1
            raise TimeoutError("timed out")
        return patroni.ask(port, method, path, body)

    assert hand_over(script, patroni, 1, ask=ask) == "postgres-2"


@pytest.mark.parametrize("command", [("false",), ("/no/such/program",), ("sleep", "5")])
def test_a_checkpoint_that_fails_or_takes_long_holds_nothing_up(
    script: Any,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "CHECKPOINT", command)
    monkeypatch.setattr(script, "CHECKPOINT_SECONDS", 0.2)
    script.write_out()
    assert "no checkpoint" in capsys.readouterr().err


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

    monkeypatch.setattr(script, "HandOver", functools.partial(script.HandOver, ask=no_answer))
    monkeypatch.setattr(sys, "argv", ["hand-over", "8008"])
    monkeypatch.setenv("PATRONI_NAME", "postgres-1")
    with pytest.raises(SystemExit) as ended:
        script.main()
    message = str(ended.value.code)
    assert message.startswith("hand-over: not handed over: ")
    assert message.endswith(says)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(("found", "printed"), [("postgres-2", "postgres-2\n"), (None, "")])
def test_the_new_primarys_name_is_all_that_goes_to_standard_output(
    script: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: str | None,
    printed: str,
) -> None:
    monkeypatch.setattr(script.HandOver, "carry_out", lambda self, to=None: found)
    monkeypatch.setattr(sys, "argv", ["hand-over", "8008", "postgres-2"])
    monkeypatch.setenv("PATRONI_NAME", "postgres-1")
    script.main()
    assert capsys.readouterr().out == printed
