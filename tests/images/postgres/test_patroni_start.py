"""Patroni's shorter waits, against a Patroni of the same shape."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "images" / "postgres" / "patroni-start"
HA = """
import time

def on_shutdown():
    time.sleep(1)

def process_unhealthy_cluster():
    time.sleep(2)

def should_run_scheduled_action():
    time.sleep(1)

def demote():
    time.sleep(2)
"""
MAIN = """
import sys
import time
import patroni.ha
import patroni.postgresql

slept = []
time.sleep = slept.append
sending = iter([2, 1, 1])

def main():
    sys.modules["__main__"].walsenders = lambda: next(sending, 0)
    for function in ("on_shutdown", "process_unhealthy_cluster", "demote"):
        getattr(patroni.ha, function)()
    patroni.ha.should_run_scheduled_action()
    print(slept, patroni.postgresql.STOP_POLLING_INTERVAL, patroni.ha.time.time is time.time)
    print(sys.argv[1:], patroni.api.RestApiHandler.disable_nagle_algorithm)
"""


@pytest.fixture
def patroni(tmp_path: Path) -> Path:
    package = tmp_path / "patroni"
    (package / "postgresql").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "ha.py").write_text(HA)
    (package / "api.py").write_text("class RestApiHandler:\n    disable_nagle_algorithm = False\n")
    (package / "postgresql" / "__init__.py").write_text("STOP_POLLING_INTERVAL = 1\n")
    (package / "__main__.py").write_text(textwrap.dedent(MAIN))
    return tmp_path


def start(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", str(SCRIPT), "/etc/selfmonitor"],
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_waits_of_a_planned_change_are_short_and_all_others_as_they_were(patroni: Path) -> None:
    done = start(patroni)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[0.02, 0.02, 0.02, 0.1, 2, 1] 0.05 True",
        "['/etc/selfmonitor'] True",
    ]


@pytest.mark.parametrize(
    ("file", "was", "becomes"),
    [
        ("postgresql/__init__.py", "STOP_POLLING_INTERVAL = 1", "STOP_POLLING_INTERVAL = 0.5"),
        ("ha.py", "import time", "from time import sleep"),
    ],
)
def test_a_patroni_that_waits_in_another_way_is_not_started(
    patroni: Path, file: str, was: str, becomes: str
) -> None:
    path = patroni / "patroni" / file
    path.write_text(path.read_text().replace(was, becomes))
    done = start(patroni)
    assert done.returncode == 1
    assert "waits in another way" in done.stderr
    assert not done.stdout


def test_a_standby_that_does_not_answer_is_waited_for_as_long_as_before(patroni: Path) -> None:
    main = patroni / "patroni" / "__main__.py"
    text = main.read_text().replace("next(sending, 0)", "1")
    main.write_text(text.replace("time.sleep = slept.append", "").replace("[2, 1, 1]", "[]"))
    begun = time.monotonic()
    assert start(patroni).returncode == 0
    # on_shutdown 1 s, follow 0.1 s, demote 2 s, the scheduled one 1 s.
    assert time.monotonic() - begun >= 4.1


def test_those_who_send_wal_are_counted(patroni: Path) -> None:
    main = patroni / "patroni" / "__main__.py"
    main.write_text(
        "import subprocess, sys, time\n"
        "def main():\n"
        "    count = sys.modules['__main__'].walsenders\n"
        "    before = count()\n"
        "    name = 'postgres: main: walsender replicator 10.0.0.1(1) streaming'\n"
        "    with subprocess.Popen([name, '60'], executable='/bin/sleep') as sender:\n"
        "        deadline = time.monotonic() + 10\n"
        "        while count() == before and time.monotonic() < deadline:\n"
        "            time.sleep(0.01)\n"
        "        print(count() - before)\n"
        "        sender.kill()\n"
        "    print(count() - before)\n"
    )
    assert start(patroni).stdout.split() == ["1", "0"]
