"""ready and look, run for real with a redis-cli that plays the servers."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "images" / "redis"
# Answers what the file of the host asked for says; without one there is no such host.
REDIS_CLI = """#!/bin/sh
printf '%s' "$REDISCLI_AUTH" > "$ANSWERS/.password"
printf '%s\\n' "$*" >> "$ANSWERS/.calls"
host= port=
while [ $# -gt 0 ]; do
    case $1 in
    -h) host=$2; shift ;;
    -p) port=$2; shift ;;
    --user | --cacert | --cert | --key) shift ;;
    --*) ;;
    *) break ;;
    esac
    shift
done
question="$*"
[ -n "$question" ] || question=$(cat)
[ "$question" = "" ] || printf '%s\\n' "$question" > "$ANSWERS/.question-$host-$port"
[ ! -e "$ANSWERS/$host.slow" ] || sleep "$(cat "$ANSWERS/$host.slow")"
case $question in
ping*) name=$host-$port.ping ;;
*) name=$host-$port ;;
esac
if ! cat "$ANSWERS/$name" 2>/dev/null; then
    echo "Could not connect to Redis at $host:$port" >&2
    exit 1
fi
"""


@dataclass(frozen=True)
class Container:
    """Where the scripts run: their own folder of files, and a redis-cli on their path."""

    folder: Path

    def answers(self, name: str, text: str) -> None:
        (self.folder / "answers" / name).write_text(text)

    def asked(self) -> list[str]:
        return (self.folder / "answers" / ".calls").read_text().splitlines()

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        text = (IMAGE / script).read_text()
        assert "/etc/selfmonitor/" in text
        return subprocess.run(
            ["sh", "-c", text.replace("/etc/selfmonitor", str(self.folder)), script, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "ANSWERS": str(self.folder / "answers"),
                "TMPDIR": str(self.folder / "tmp"),
            },
        )


@pytest.fixture
def container(tmp_path: Path) -> Container:
    (tmp_path / "answers").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "keeper.password").write_text("open sesame")
    (tmp_path / "redis-cli").write_text(REDIS_CLI)
    (tmp_path / "redis-cli").chmod(0o755)
    return Container(tmp_path)


def replica(link: str, primary: str = "10.87.1.82") -> str:
    return (
        f"# Replication\r\nrole:slave\r\nmaster_host:{primary}\r\nmaster_port:6379\r\n"
        f"master_link_status:{link}\r\n"
    )


PRIMARY = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"


# ready


@pytest.fixture
def ready(container: Container) -> Callable[[], bool]:
    def found() -> bool:
        done = container.run("ready", "redis", "6379")
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    return found


@pytest.mark.parametrize(("said", "expected"), [(PRIMARY, True), (replica("up"), True)])
def test_the_primary_and_who_is_in_step_with_it_are_ready(
    container: Container, ready: Callable[[], bool], said: str, expected: bool
) -> None:
    container.answers("localhost-6379", said)
    container.answers("10.87.1.82-6379.ping", "PONG\n")
    assert ready() is expected


def test_who_is_not_in_step_with_a_primary_that_is_there_is_not_ready(
    container: Container, ready: Callable[[], bool]
) -> None:
    container.answers("localhost-6379", replica("down"))
    container.answers("10.87.1.82-6379.ping", "PONG\n")
    assert not ready()


def test_who_cannot_be_in_step_because_the_primary_is_not_started_yet_is_ready(
    container: Container, ready: Callable[[], bool]
) -> None:
    """Members start one after the other; the first must not wait for the last."""
    container.answers("localhost-6379", replica("down"))
    assert ready()
    (question,) = [each for each in container.asked() if "-h 10.87.1.82 -p 6379" in each]
    assert question.endswith(" ping")


@pytest.mark.parametrize("said", [None, "", "LOADING Redis is loading the dataset in memory\n"])
def test_who_does_not_say_what_it_is_is_not_ready(
    container: Container, ready: Callable[[], bool], said: str | None
) -> None:
    if said is not None:
        container.answers("localhost-6379", said)
    assert not ready()


@pytest.mark.parametrize(("said", "status"), [("PONG\n", 0), ("", 1), ("NOAUTH\n", 1), (None, 1)])
def test_a_sentinel_that_answers_is_ready(
    container: Container, said: str | None, status: int
) -> None:
    if said is not None:
        container.answers("localhost-26379.ping", said)
    assert container.run("ready", "sentinel", "26379").returncode == status


@pytest.mark.parametrize("arguments", [("ready", "redis", "6379"), ("look", "main", "a=redis:h:1")])
def test_the_keeper_comes_over_tls_and_its_password_in_no_argument(
    container: Container, arguments: tuple[str, ...]
) -> None:
    container.run(*arguments)
    assert (container.folder / "answers" / ".password").read_text() == "open sesame"
    for call in container.asked():
        assert "open sesame" not in call
        words = call.split()
        assert "--tls" in words
        for option, value in (
            ("--user", "keeper"),
            ("--cacert", f"{container.folder}/ca.crt"),
            ("--cert", f"{container.folder}/tls.crt"),
            ("--key", f"{container.folder}/tls.key"),
        ):
            assert words[words.index(option) + 1] == value


# look

TARGETS = (
    "redis-1=redis:10.87.1.80:6379",
    "redis-2=redis:10.87.1.81:6379",
    "sentinel-1=sentinel:10.87.1.96:26379",
)


def test_every_server_is_asked_and_its_words_stand_below_its_name(container: Container) -> None:
    container.answers("10.87.1.80-6379", "role:master\r\n")
    container.answers("10.87.1.81-6379", "role:slave\r\n")
    container.answers("10.87.1.96-26379", "10.87.1.80\n6379\nOK 3 usable Sentinels.\n")
    done = container.run("look", "main", *TARGETS)
    # Universal newlines: the server's own line ends are the reader's to strip.
    assert done.stdout.splitlines() == [
        *("== redis-1", "role:master"),
        *("== redis-2", "role:slave"),
        *("== sentinel-1", "10.87.1.80", "6379", "OK 3 usable Sentinels."),
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_a_member_is_asked_for_figures_and_a_sentinel_for_the_primary_and_the_quorum(
    container: Container,
) -> None:
    container.run("look", "main", *TARGETS)
    asked = {
        path.name.removeprefix(".question-"): path.read_text().splitlines()
        for path in (container.folder / "answers").glob(".question-*")
    }
    figures = ["info replication memory persistence"]
    assert asked == {
        "10.87.1.80-6379": figures,
        "10.87.1.81-6379": figures,
        "10.87.1.96-26379": [
            "sentinel get-master-addr-by-name main",
            "sentinel ckquorum main",
        ],
    }


def test_who_does_not_answer_has_nothing_below_its_name_and_takes_nobody_elses_words(
    container: Container,
) -> None:
    container.answers("10.87.1.81-6379", "role:slave\n")
    done = container.run("look", "main", *TARGETS)
    assert done.stdout.splitlines() == ["== redis-1", "== redis-2", "role:slave", "== sentinel-1"]
    assert done.returncode == 0


def test_all_are_asked_at_once_and_nobody_is_waited_for_longer_than_a_second(
    container: Container,
) -> None:
    for number in range(8):
        container.answers(f"10.87.1.8{number}-6379", "role:master\n")
        container.answers(f"10.87.1.8{number}.slow", "30")
    container.answers("10.87.1.96-26379", "10.87.1.80\n")
    targets = [f"redis-{n}=redis:10.87.1.8{n}:6379" for n in range(8)]
    begun = time.monotonic()
    done = container.run("look", "main", *targets, TARGETS[2])
    assert time.monotonic() - begun < 6, "eight seconds, one after the other"
    assert done.stdout.splitlines() == [
        *(f"== redis-{n}" for n in range(8)),
        "== sentinel-1",
        "10.87.1.80",
    ]


def test_it_leaves_no_file_behind(container: Container) -> None:
    container.run("look", "main", *TARGETS)
    assert list((container.folder / "tmp").iterdir()) == []
