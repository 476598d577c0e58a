"""redis-cli: the password reaches it without standing in anybody's arguments."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cli import inside
from cli import redis_cli as module
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError

# Both write their arguments down, and what is in the environment and the file for the password.
REDIS_CLI = """#!/bin/sh
printf '%s\\n' "$@" > "$LOG.redis-cli"
printf '%s' "$REDISCLI_AUTH" > "$LOG.password"
[ -z "$SECRET" ] || stat -c '%a %n' "$SECRET" > "$LOG.mode"
exit "${STATUS:-0}"
"""
DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >> "$LOG.docker"
[ "$1" = exec ] || exit 9
shift
while [ $# -gt 0 ]; do
    case $1 in
    -e) export "$2"; shift ;;
    -*) ;;
    *) break ;;
    esac
    shift
done
shift
PATH="$INSIDE:$PATH" exec "$@"
"""


class Machine:
    """Programs on a path of its own, those of its containers, and what they wrote down."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.inside = folder / "inside"
        for each in (self.programs, self.inside):
            each.mkdir()
        for name in ("sh", "cat", "rm", "stat"):
            found = shutil.which(name)
            assert found is not None
            (self.programs / name).symlink_to(found)
        monkeypatch.setenv("PATH", str(self.programs))
        monkeypatch.setenv("INSIDE", str(self.inside))
        monkeypatch.setenv("LOG", str(folder / "log"))

    def install(self, name: str, text: str, where: Path | None = None) -> None:
        path = (where or self.programs) / name
        path.write_text(text)
        path.chmod(0o755)

    def wrote(self, name: str) -> str:
        return (self.folder / f"log.{name}").read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def run(stack: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs the command; its return value, or what it raises."""
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)

    def go(*arguments: str) -> Any:
        result = CliRunner().invoke(
            module.redis_cli, list(arguments), standalone_mode=False, catch_exceptions=False
        )
        return result.return_value

    return go


def test_this_machines_redis_cli_goes_through_the_first_router_over_verified_tls(
    machine: Machine, run: Callable[..., Any], tmp_path: Path
) -> None:
    machine.install("redis-cli", REDIS_CLI)
    assert run("SET", "greeting", "hello world") == 0
    assert machine.wrote("redis-cli").splitlines() == [
        *("-h", "127.0.0.1", "-p", "6379"),
        *("--tls", "--cacert", f"{tmp_path}/.selfmonitor/local/ca.crt"),
        *("--user", "application", "--no-auth-warning"),
        *("SET", "greeting", "hello world"),
    ]
    assert machine.wrote("password") == "s3cret"


def test_its_exit_status_is_the_commands(
    machine: Machine, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("redis-cli", REDIS_CLI)
    monkeypatch.setenv("STATUS", "7")
    assert run("GET", "x") == 7


def test_options_of_redis_cli_reach_it(machine: Machine, run: Callable[..., Any]) -> None:
    machine.install("redis-cli", REDIS_CLI)
    run("--raw", "-n", "0", "GET", "x")
    assert machine.wrote("redis-cli").splitlines()[-5:] == ["--raw", "-n", "0", "GET", "x"]


def test_without_one_a_redis_containers_goes_to_the_router_from_within(
    machine: Machine, run: Callable[..., Any]
) -> None:
    machine.install("docker", DOCKER)
    machine.install("redis-cli", REDIS_CLI, machine.inside)
    assert run("GET", "x") == 0
    assert machine.wrote("redis-cli").splitlines() == [
        *("-h", "10.87.1.48", "-p", "6379", "--tls", "--user", "application"),
        *("--no-auth-warning", "--cacert", "/etc/selfmonitor/ca.crt"),
        *("--cert", "/etc/selfmonitor/tls.crt", "--key", "/etc/selfmonitor/tls.key"),
        *("GET", "x"),
    ]
    assert machine.wrote("password") == "s3cret"
    assert "s3cret" not in machine.wrote("docker")
    mode, path = machine.wrote("mode").split()
    assert mode == "600"
    assert not Path(path).exists(), "it goes with the shell"


def test_a_member_is_reached_itself_even_where_this_machine_has_a_redis_cli(
    machine: Machine, run: Callable[..., Any]
) -> None:
    machine.install("redis-cli", "#!/bin/sh\nexit 99\n")
    machine.install("redis-cli", REDIS_CLI, machine.inside)
    machine.install("docker", DOCKER)
    assert run("--member", "redis-3", "GET", "x") == 0
    words = machine.wrote("redis-cli").splitlines()
    assert words[:4] == ["-h", "10.87.1.82", "-p", "6379"]
    assert "s3cret" not in machine.wrote("docker")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("redis-9", "stack local has no member redis-9; there are: "),
        ("postgres-1", "postgres-1 is not in the segment cache"),
    ],
)
def test_a_member_that_is_none_of_redis_is_refused(
    machine: Machine, run: Callable[..., Any], member: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run("--member", member, "PING")


# A program of a container.


def in_container(stack: Cluster, script: str = "true") -> int:
    return inside.run_in_container(
        stack,
        "redis",
        secret="s3cret",
        script=script,
        arguments=("redis-cli", "a b"),
        hint="sudo apt-get install redis-tools",
    )


def test_with_neither_program_the_person_is_told_what_to_install(
    machine: Machine, stack: Cluster
) -> None:
    with pytest.raises(UserError, match=r"neither redis-cli nor the docker command.*redis-tools"):
        in_container(stack)


def test_only_a_container_that_runs_is_entered(
    machine: Machine, stack: Cluster, containers: dict[str, Any]
) -> None:
    machine.install("docker", DOCKER)
    containers["redis-1"].state = "exited"
    assert in_container(stack) == 0
    calls = machine.wrote("docker").splitlines()
    assert all("selfmonitor-local-redis-2 " in call for call in calls)
    for name in ("redis-2", "redis-3"):
        containers[name].state = "paused"
    with pytest.raises(OperationFailed, match="no redis container of stack local runs"):
        in_container(stack)


def test_the_script_gets_its_arguments_and_its_status_is_returned(
    machine: Machine, stack: Cluster
) -> None:
    machine.install("docker", DOCKER)
    log = machine.folder / "said"
    assert (
        in_container(stack, f'printf "%s|%s|" "$0" "$1" > {log}; cat "$SECRET" >> {log}; exit 5')
        == 5
    )
    assert log.read_text() == "redis-cli|a b|s3cret"


def test_a_secret_that_cannot_be_placed_stops_it(machine: Machine, stack: Cluster) -> None:
    machine.install("docker", "#!/bin/sh\nexit 1\n")
    with pytest.raises(OperationFailed, match="redis-cli could not be prepared"):
        in_container(stack)


def test_the_password_stays_out_of_the_processs_own_environment(
    machine: Machine, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def keep(command: list[str], **more: Any) -> Any:
        seen.append((command, more))
        return SimpleNamespace(returncode=0)

    machine.install("redis-cli", REDIS_CLI)
    monkeypatch.setattr(subprocess, "run", keep)
    run("PING")
    ((command, more),) = seen
    assert not [word for word in command if "s3cret" in word]
    assert more["env"]["REDISCLI_AUTH"] == "s3cret"
    assert "REDISCLI_AUTH" not in os.environ
