"""Running the backup service's program, with a container whose commands run here."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import backup_inside as module
from cli.cluster import Cluster
from cli.containers import CannotBeAsked
from cli.errors import OperationFailed, UserError

PATIENCE = 10.0
PROGRAM = """#!/bin/sh
echo "$@" > "$0.arguments"
echo $$ > "$0.pid"
trap 'echo interrupted > "$0.ended"; exit 1' TERM
cat "$0.says"
cat "$0.complains" >&2
if [ -e "$0.hangs" ]; then while :; do sleep 0.05; done; fi
exit "$(cat "$0.status")"
"""


class Container:
    """What a platform offers of a container, as far as it is asked."""

    member = "backup-1"

    def __init__(self, folder: Path) -> None:
        self.program = folder / "backup-service"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.refuses: Exception | None = None
        self.running: list[subprocess.Popen[bytes]] = []
        self.interrupt_after: int | None = None
        self.says()

    def says(self, *documents: Any, status: int = 0, complaint: str = "") -> None:
        text = "".join(
            each if isinstance(each, str) else json.dumps(each) + "\n" for each in documents
        )
        for name, content in (("says", text), ("status", str(status)), ("complains", complaint)):
            self.beside(name).write_text(content)

    def beside(self, name: str) -> Path:
        return self.program.with_name(f"backup-service.{name}")

    def exec_run(self, command: list[str], *, demux: bool = False, stream: bool = False) -> Any:
        if self.refuses is not None:
            raise self.refuses
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.running.append(running)
        if stream:
            return SimpleNamespace(exit_code=None, output=self.pieces(running))
        said, complaint = running.communicate(timeout=PATIENCE)
        return SimpleNamespace(
            exit_code=running.returncode,
            output=(said or None, complaint or None) if demux else said + complaint,
        )

    def pieces(self, running: subprocess.Popen[bytes]) -> Iterator[tuple[Any, Any]]:
        assert running.stdout is not None
        assert running.stderr is not None
        number = 0
        while piece := os.read(running.stdout.fileno(), 7):
            number += 1
            if number == self.interrupt_after:
                raise KeyboardInterrupt
            yield piece, None
        yield None, running.stderr.read()


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    found = Container(tmp_path)
    monkeypatch.setattr(module, "PROGRAM", str(found.program))
    yield found
    for running in found.running:
        if running.poll() is None:
            running.kill()
        running.communicate(timeout=PATIENCE)


PROGRESS = {"event": "progress", "what": "copying", "done": 5, "total": 10}
RECORD = {"event": "record", "id": "a1", "kind": "full", "result": "ok"}
ERROR = {"event": "error", "message": "vault-1 does not answer"}


def test_a_run_is_followed_to_its_end(container: Container) -> None:
    container.says(PROGRESS, {**PROGRESS, "total": None}, RECORD, {"port": 5440})
    seen: list[tuple[str, int, int | None]] = []
    found = module.run(container, "run", "full", on_progress=lambda *each: seen.append(each))
    assert container.beside("arguments").read_text() == "run full --json\n"
    assert seen == [("copying", 5, 10), ("copying", 5, None)]
    assert found.status == 0
    assert found.record == {"id": "a1", "kind": "full", "result": "ok"}
    assert found.answers == ({"port": 5440},)
    assert found.require_success() is found


def test_an_answer_is_read_whole_whatever_else_is_said(container: Container) -> None:
    container.says("a line of its own\n", {"window": None}, [RECORD, RECORD])
    found = module.ask(container, "info")
    assert found.answers == ({"window": None},)
    assert len(found.records) == 2


@pytest.mark.parametrize("how", ["run", "ask"])
def test_what_failed_is_told_in_its_own_words(container: Container, how: str) -> None:
    container.says(ERROR, status=1)
    with pytest.raises(OperationFailed, match=r"^vault-1 does not answer$"):
        getattr(module, how)(container, "list").require_success()


def test_what_was_asked_wrongly_is_the_persons_to_put_right(container: Container) -> None:
    container.says({"event": "error", "message": "soon names no point in time"}, status=2)
    with pytest.raises(UserError, match=r"^soon names no point in time$"):
        module.run(container, "side", "restore", "--to", "soon").require_success()


def test_a_failure_without_a_word_shows_the_end_of_its_log(container: Container) -> None:
    container.says(status=1, complaint="Traceback\nKeyError: 'x'\n")
    with pytest.raises(OperationFailed, match=r"exit status 1: \./selfmonitor logs backup-1") as it:
        module.run(container, "list").require_success()
    assert it.value.details == ("Traceback", "KeyError: 'x'")


def test_the_record_says_why_where_nothing_else_does(container: Container) -> None:
    container.says({**RECORD, "result": "failed", "error": "disk full"}, status=1)
    with pytest.raises(OperationFailed, match=r"^disk full$"):
        module.run(container, "run", "full").require_success()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_an_interrupt_ends_the_job_in_order_and_waits_until_it_has(container: Container) -> None:
    container.says(PROGRESS)
    container.beside("hangs").touch()
    container.interrupt_after = 3
    with pytest.raises(KeyboardInterrupt):
        module.run(container, "run", "full")
    assert container.beside("ended").read_text() == "interrupted\n"
    assert gone(int(container.beside("pid").read_text()))


def test_a_container_that_stops_meanwhile_is_named(container: Container) -> None:
    container.says(PROGRESS)
    container.beside("hangs").touch()

    def stops(what: str, done: int, total: int | None) -> None:
        # The shell first: it would still tell how the job ended.
        for running in container.running:
            running.kill()
        os.kill(int(container.beside("pid").read_text()), signal.SIGKILL)

    with pytest.raises(OperationFailed, match="backup-1 stopped while the job ran"):
        module.run(container, "run", "full", on_progress=stops)


def test_a_container_that_cannot_be_asked_is_named(container: Container) -> None:
    container.refuses = CannotBeAsked("it is gone")
    for how in (module.run, module.ask):
        with pytest.raises(OperationFailed, match="backup-1 cannot be asked: it is gone"):
            how(container, "info")


def test_the_first_that_runs_is_asked(stack: Cluster, containers: dict[str, Any]) -> None:
    assert module.find(stack, "restore-test", "side").member == "restore-test-1"
    containers["restore-test-1"].state = "exited"
    assert module.find(stack, "restore-test", "side").member == "side-1"
    containers["side-1"].state = "exited"
    with pytest.raises(OperationFailed, match="restore-test-1 of stack local does not run"):
        module.find(stack, "restore-test", "side")
