"""selfmonitor events, with a container whose commands run here and whose curl is a script."""

import json
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import cluster as cluster_module
from cli import events as module
from cli.containers import CannotBeAsked
from cli.docker_cluster import DockerCluster
from cli.errors import OperationFailed

PATIENCE = 10.0
# Plays one file a call of --follow, one file for all else; the file's last line is its exit status.
CURL = """#!/bin/sh
echo "$@" >> "$0.calls"
case $* in
*follow=1*)
    number=$(grep -c follow=1 "$0.calls")
    head -n -1 "$0.follow-$number"
    status=$(tail -n 1 "$0.follow-$number")
    if [ "$status" = hangs ]; then echo $$ > "$0.pid"; exec sleep 60; fi
    exit "$status" ;;
*)
    cat "$0.says"
    exit "$(cat "$0.status")" ;;
esac
"""


def event(identifier: int, service: str = "redis", **changes: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "time": "2026-11-22T22:10:03.123Z",
        "service": service,
        "kind": "failover",
        "old": f"{service}-1",
        "new": f"{service}-2",
        "reason": f"{service}-1 did not answer",
        "generation": identifier,
        "seen_late": False,
        **changes,
    }


def ndjson(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in events)


class Container:
    """What a platform offers of a container, as far as it is asked."""

    member = "events-1"

    def __init__(self, folder: Path, state: str = "running") -> None:
        self.state = state
        self.curl = folder / "curl"
        self.curl.write_text(CURL)
        self.curl.chmod(stat.S_IRWXU)
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.running: list[subprocess.Popen[bytes]] = []
        self.refuses: Exception | None = None
        self.says("", 0)

    def says(self, text: str, status: int) -> None:
        self.curl.with_name("curl.says").write_text(text)
        self.curl.with_name("curl.status").write_text(str(status))

    def follows(self, number: int, text: str, status: int | str) -> None:
        self.curl.with_name(f"curl.follow-{number}").write_text(f"{text}{status}\n")

    @property
    def calls(self) -> list[str]:
        return self.curl.with_name("curl.calls").read_text().splitlines()

    def exec_run(
        self,
        command: list[str],
        *,
        demux: bool = False,
        stream: bool = False,
        stderr: bool = True,
    ) -> Any:
        if self.refuses is not None:
            raise self.refuses
        running = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.running.append(running)
        if stream:
            assert not stderr
            return SimpleNamespace(exit_code=None, output=self.pieces(running))
        output, complaint = running.communicate(timeout=PATIENCE)
        return SimpleNamespace(
            exit_code=running.returncode,
            # Docker gives none where nothing was said.
            output=(output or None, complaint or None) if demux else output + complaint,
        )

    def pieces(self, running: subprocess.Popen[bytes]) -> Iterator[bytes]:
        assert running.stdout is not None
        while piece := os.read(running.stdout.fileno(), 7):
            yield piece


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    found = Container(tmp_path)
    monkeypatch.setattr(module, "open_cluster", lambda context: fake_cluster(found))
    yield found
    for running in found.running:
        if running.poll() is None:
            running.kill()
        running.communicate(timeout=PATIENCE)


def fake_cluster(*containers: Container) -> Any:
    found = DockerCluster(SimpleNamespace(stack="local"), None)  # type: ignore[arg-type]
    found.containers = lambda workload=None: list(containers)  # type: ignore[method-assign]
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(module.events, arguments)


def test_a_table_tells_time_service_kind_change_and_reason(container: Container) -> None:
    began = event(1, "postgres", kind="began", old=None, new="postgres-3", reason="the watch began")
    aborted = event(2, kind="failover-aborted", new=None, reason="no replica was fit")
    late = event(3, seen_late=True)
    container.says(ndjson(began, aborted, late), 0)
    found = run()
    assert found.exit_code == 0
    assert [line.split("  ") for line in squeezed(found.stdout)] == [
        ["time (UTC)", "service", "kind", "primary", "reason"],
        ["2026-11-22 22:10:03.123", "postgres", "began", "postgres-3", "the watch began"],
        ["2026-11-22 22:10:03.123", "redis", "failover-aborted", "redis-1", "no replica was fit"],
        [
            "2026-11-22 22:10:03.123",
            "redis",
            "failover",
            "redis-1 → redis-2",
            "redis-1 did not answer (seen late)",
        ],
    ]


def squeezed(text: str) -> list[str]:
    """Lines in which columns are two spaces apart."""
    return [
        "  ".join(word.strip() for word in line.split("  ") if word.strip())
        for line in text.splitlines()
    ]


def test_it_asks_the_container_itself_with_its_own_certificate(container: Container) -> None:
    run()
    [call] = container.calls
    assert call.endswith("https://localhost:8010/events")
    for part in ("--cacert /etc/selfmonitor/ca.crt", "--cert /etc/selfmonitor/tls.crt", "--fail"):
        assert part in call


def test_json_is_a_list_with_every_field(container: Container) -> None:
    container.says(ndjson(event(1), event(2, "postgres")), 0)
    assert json.loads(run("-o", "json").stdout) == [event(1), event(2, "postgres")]
    container.says("", 0)
    assert json.loads(run("-o", "json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], list(range(11, 31))),
        (["-n", "2"], [29, 30]),
        (["--service", "postgres", "-n", "3"], [20, 25, 30]),
        (["--service", "redis", "-n", "100"], [n for n in range(1, 31) if n % 5]),
    ],
)
def test_the_last_ones_of_the_service_asked_for_are_shown(
    container: Container, arguments: list[str], shown: list[int]
) -> None:
    many = [event(n, "redis" if n % 5 else "postgres") for n in range(1, 31)]
    container.says(ndjson(*many), 0)
    found = json.loads(run("-o", "json", *arguments).stdout)
    assert [each["id"] for each in found] == shown


@pytest.mark.parametrize("arguments", [["-n", "0"], ["--service", "etcd"], ["-o", "xml"]])
def test_what_there_is_not_is_refused(container: Container, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert container.running == []


@pytest.mark.parametrize("state", [None, "exited", "paused"])
def test_without_a_running_container_it_says_what_to_do(tmp_path: Path, state: str | None) -> None:
    there = [] if state is None else [Container(tmp_path, state)]
    with pytest.raises(OperationFailed, match=r"does not run: \./selfmonitor -s local up"):
        module.find(fake_cluster(*there))


def test_a_container_that_does_not_answer_is_told_with_its_complaint(container: Container) -> None:
    container.says("", 7)
    complaining = container.curl.read_text().replace(
        "#!/bin/sh", "#!/bin/sh\necho 'curl: (7) refused' >&2"
    )
    container.curl.write_text(complaining)
    found = run()
    assert isinstance(found.exception, OperationFailed)
    assert "events-1 does not answer: ./selfmonitor logs events-1" in str(found.exception)
    assert found.exception.details == ("curl: (7) refused",)


def test_a_container_that_stops_meanwhile_is_one_clear_error(container: Container) -> None:
    container.refuses = CannotBeAsked("container is paused")
    found = run()
    assert isinstance(found.exception, OperationFailed)
    assert str(found.exception) == "events-1 cannot be asked: container is paused"


# Following.


def test_following_shows_what_was_and_what_comes_and_ends_with_the_container(
    container: Container,
) -> None:
    container.says(ndjson(event(1), event(2)), 0)
    container.follows(1, "\n" + ndjson(event(3)) + "\n\n" + ndjson(event(4, "postgres")), 0)
    found = run("-f", "-n", "1", "-o", "json")
    assert found.exit_code == 0
    assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == [2, 3, 4]
    assert "events-1 has stopped" in found.stderr
    assert "follow=1&after=2" in container.calls[1]


def test_following_one_service_hides_the_other(container: Container) -> None:
    container.says(ndjson(event(1)), 0)
    container.follows(1, ndjson(event(2), event(3, "postgres")), 0)
    found = run("--follow", "--service", "postgres")
    assert squeezed(found.stdout)[1:] == [
        "2026-11-22 22:10:03.123  postgres  failover  postgres-1 → postgres-2  "
        "postgres-1 did not answer"
    ]


def test_when_its_time_is_over_it_goes_on_after_the_last_event(container: Container) -> None:
    container.follows(1, ndjson(event(7)) + '{"id": 8, "ti', f"\n{module.TIME_IS_OVER}")
    container.follows(2, ndjson(event(8)), 56)
    found = run("-f", "-o", "json")
    assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == [7, 8]
    assert "after=0" in container.calls[1]
    assert "after=7" in container.calls[2]


@pytest.mark.parametrize("status", [module.REFUSED, module.NO_SERVER])
def test_one_that_may_not_follow_is_told_so(container: Container, status: int) -> None:
    container.follows(1, "", status)
    found = run("-f")
    assert isinstance(found.exception, OperationFailed)
    assert "lets nobody follow" in str(found.exception)


def test_an_event_is_shown_as_it_happens_and_nothing_goes_on_in_the_container_afterwards(
    container: Container,
) -> None:
    container.follows(1, ndjson(event(1)), "hangs")
    following = module.follow(container, 0)
    assert next(following)["id"] == 1
    path = container.curl.with_name("curl.pid")
    wait_for(lambda: path.exists() and path.read_text().strip() != "")
    curl = int(path.read_text())
    assert alive(curl)
    # As Ctrl-C does.
    with pytest.raises(KeyboardInterrupt):
        following.throw(KeyboardInterrupt)
    wait_for(lambda: not alive(curl))
    wait_for(lambda: container.running[0].poll() is not None)


def test_a_container_that_is_killed_ends_the_following_in_order(container: Container) -> None:
    container.follows(1, ndjson(event(1)), "hangs")
    following = module.follow(container, 0)
    next(following)
    path = container.curl.with_name("curl.pid")
    wait_for(lambda: path.exists() and path.read_text().strip() != "")

    def stop() -> None:
        container.refuses = CannotBeAsked("is not running")
        container.running[0].kill()
        os.kill(int(path.read_text()), 9)

    threading.Timer(0.1, stop).start()
    assert list(following) == []


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process: int) -> bool:
    """A process nobody has waited for yet is none any more."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_whole_however_they_arrive(size: int) -> None:
    text = "a\n\nö…\nno end".encode()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(module.lines(pieces)) == [b"a", b"", "ö…".encode()]


# A switchover's note.


class Switching:
    """A cluster of three members that do what theirs do at a switchover."""

    def __init__(self, note: Any) -> None:
        self.said: list[list[str]] = []
        events = SimpleNamespace(exec_run=note, state="running")
        member = SimpleNamespace(exec_run=self.switch)
        status = SimpleNamespace(
            leader="postgres-1",
            members=[
                SimpleNamespace(name=f"postgres-{n}", synchronous=n > 1, state="streaming")
                for n in (1, 2, 3)
            ],
        )
        self.cluster = fake_cluster()
        self.cluster.containers = lambda workload=None: [events] * (workload == "events")
        self.cluster.container = lambda name: member
        self.cluster.postgres_status = lambda: status

    def switch(self, command: list[str]) -> Any:
        self.said.append(command)
        return SimpleNamespace(
            output=b"hand-over: postgres-2: Switchover scheduled\npostgres-2", exit_code=0
        )


def test_a_switchover_is_announced_before_it_happens() -> None:
    order: list[list[str]] = []
    switching = Switching(order.append)
    switching.said = order
    assert switching.cluster.switchover("postgres-2") == "postgres-2"
    note, change = order
    assert note[-1] == "https://localhost:8010/notes"
    assert json.loads(note[note.index("--data") + 1]) == {
        "service": "postgres",
        "kind": "switchover",
        "old": "postgres-1",
    }
    assert note[note.index("--max-time") + 1] == "2"
    assert change[2:] == ["/usr/local/bin/hand-over", "8008", "postgres-2"]


@pytest.mark.parametrize("error", [CannotBeAsked("409"), ConnectionError("no Docker"), None])
def test_a_note_that_cannot_be_left_fails_no_switchover(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "NOTE_SECONDS", 0.1)

    def note(command: list[str]) -> None:
        if error is not None:
            raise error
        time.sleep(1)

    begun = time.monotonic()
    assert Switching(note).cluster.switchover() == "postgres-2"
    assert time.monotonic() - begun < 0.9
