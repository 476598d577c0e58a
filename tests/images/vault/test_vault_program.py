"""vault: prepares, then serves; renewed files are taken up while it does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "images" / "vault"

# The program with this machine's folders.
DRIVER = """
import importlib.machinery, importlib.util, pathlib, sys
sys.dont_write_bytecode = True
image, root = sys.argv[1:]
sys.path.insert(0, image)
import gateway
root = pathlib.Path(root)
gateway.FILES, gateway.DATA, gateway.RUN = root / "etc", root / "var", root / "run"
gateway.PROGRAM = str(root / "versitygw")
loader = importlib.machinery.SourceFileLoader("vault", image + "/vault")
vault = importlib.util.module_from_spec(importlib.util.spec_from_loader("vault", loader))
loader.exec_module(vault)
vault.PREPARE = str(root / "prepare.py")
vault.STOP_SECONDS = 1.0
sys.exit(vault.main())
"""
# Tells what it was started with, and what signals it got.
GATEWAY = """#!{python}
import json, os, signal, sys, time
def tell(what):
    with open({log!r}, "a") as file:
        file.write(json.dumps(what) + "\\n")
signal.signal(signal.SIGHUP, lambda *_: tell({{"signal": "HUP"}}))
tell({{"arguments": sys.argv[1:], "environment": dict(os.environ)}})
while not os.path.exists({end!r}):
    time.sleep(0.05)
sys.exit(7)
"""

pytestmark = pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux has it")


class Running:
    """The program, and what its gateway tells."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "gateway.log"
        gateway = root / "versitygw"
        gateway.write_text(
            GATEWAY.format(python=sys.executable, log=str(self.log), end=str(root / "end"))
        )
        gateway.chmod(0o755)
        self.prepares("raise SystemExit(0)")
        self.process: subprocess.Popen[str] | None = None

    def prepares(self, program: str) -> None:
        count = f"open({str(self.root / 'prepared')!r}, 'a').write('x')\n"
        (self.root / "prepare.py").write_text(count + program)

    def start(self) -> "subprocess.Popen[str]":
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(IMAGE), str(self.root)],
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def told(self, count: int = 1) -> list[dict[str, Any]]:
        """Waits for so many."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            lines = self.log.read_text().splitlines() if self.log.exists() else []
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            time.sleep(0.05)
        raise TimeoutError("the gateway was not heard of")

    def end(self) -> tuple[int, str]:
        assert self.process is not None
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@pytest.fixture
def running(container: Path) -> Iterator[Running]:
    found = Running(container)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


def test_it_serves_what_was_prepared_until_it_is_told_to_stop(running: Running) -> None:
    process = running.start()
    (told,) = running.told()
    assert (running.root / "run" / "prepared").exists()
    arguments = " ".join(told["arguments"])
    etc, var = running.root / "etc", running.root / "var"
    assert f"--cert {etc}/tls.crt --key {etc}/tls.key" in arguments
    assert f"--iam-dir {running.root}/run/identities" in arguments
    assert arguments.endswith(f"posix --versioning-dir {var}/versions {var}/data")
    assert "--port 0.0.0.0:7070" in arguments
    process.terminate()
    status, errors = running.end()
    assert status == 0
    assert "secret of" not in arguments + errors


def test_nobody_knows_the_administrator(running: Running) -> None:
    secrets = []
    for count in (1, 2):
        process = running.start()
        environment = running.told(count)[-1]["environment"]
        secrets.append(environment["ROOT_SECRET_KEY"])
        assert set(environment) <= {"PATH", "ROOT_ACCESS_KEY", "ROOT_SECRET_KEY", "LC_CTYPE"}
        process.terminate()
        _, errors = running.end()
        assert secrets[-1] not in errors
    assert secrets[0] != secrets[1]
    assert len(secrets[0]) >= 32


def test_renewed_files_are_taken_up_while_it_serves(running: Running) -> None:
    process = running.start()
    running.told()
    users = running.root / "run" / "identities" / "users.json"
    identities = running.root / "etc" / "identities.json"
    identities.write_text('{"writer": "renewed", "reader": "r"}')
    process.send_signal(signal.SIGHUP)
    assert running.told(2)[1] == {"signal": "HUP"}
    assert json.loads(users.read_text())["accessAccounts"]["writer"]["secret"] == "renewed"
    wait_for(lambda: (running.root / "prepared").read_text() == "xx")
    identities.write_text("{broken")
    process.send_signal(signal.SIGHUP)
    running.told(3)
    assert json.loads(users.read_text())["accessAccounts"]["writer"]["secret"] == "renewed"
    process.terminate()
    status, errors = running.end()
    assert status == 0
    assert "identities stay as they are" in errors
    assert "broken" not in errors


def test_a_bucket_that_cannot_be_prepared_is_not_served(running: Running) -> None:
    (running.root / "run" / "prepared").touch()
    running.prepares("raise SystemExit(1)")
    running.start()
    assert running.end()[0] == 1
    assert not running.log.exists()
    assert not (running.root / "run" / "prepared").exists()


def test_it_stops_while_it_prepares(running: Running) -> None:
    running.prepares("import time; time.sleep(60)")
    process = running.start()
    wait_for((running.root / "prepared").exists)
    process.terminate()
    assert running.end()[0] == 0
    assert not running.log.exists()


def test_it_ends_when_the_gateway_does(running: Running) -> None:
    running.start()
    running.told()
    (running.root / "end").touch()
    status, errors = running.end()
    assert status == 1
    assert "the gateway ended with status 7" in errors


def test_the_gateway_does_not_outlive_it(running: Running) -> None:
    process = running.start()
    running.told()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    running.end()
    wait_for(lambda: not any(_runs(child) for child in children))


def test_wrong_settings_are_one_line_and_status_2(running: Running) -> None:
    (running.root / "etc" / "vault.json").unlink()
    running.start()
    status, errors = running.end()
    assert status == 2
    assert errors.startswith("vault: ")
    assert errors.count("\n") == 1


def _runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
