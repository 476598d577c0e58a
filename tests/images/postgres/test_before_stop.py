"""before-stop: whom a primary that is handed over waits for before its server stops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OURS = "postgres: selfmonitor-local: "


@pytest.fixture(scope="module")
def script(image_programs: Callable[..., Any]) -> Any:
    return image_programs("postgres", {"before_stop": "before-stop"}).before_stop


def title(text: str) -> bytes:
    """As /proc shows it: the room for the arguments is filled up."""
    return text.encode() + b" " * 40 + b"\0\0"


@pytest.mark.parametrize(
    "text",
    [
        f"{OURS}user db_user_profile 10.244.0.42(38524) idle",
        f"{OURS}user db_user_profile 10.244.0.42(38524) COMMIT",
        f"{OURS}user db_user_profile fd00:10:244::2a(38524) idle in transaction",
        "postgres: user db_user_profile 10.244.0.42(38524) SELECT",
        f"{OURS}payments ledger 10.244.0.42(38524) INSERT waiting for 0/57C9830",
    ],
)
def test_sessions_through_the_routers_are_waited_for(script: Any, text: str) -> None:
    assert script.is_pooled(title(text))


@pytest.mark.parametrize(
    "text",
    [
        f"{OURS}checkpointer",
        f"{OURS}startup recovering 000000060000000000000015",
        f"{OURS}archiver last was 000000060000000000000014",
        f"{OURS}walreceiver streaming 0/57C9830",
        f"{OURS}walsender replicator 10.244.0.57(37912) streaming 0/57C9830",
        f"{OURS}logical replication launcher",
        f"{OURS}postgres postgres [local] idle",
        f"{OURS}backup selfmonitor 10.244.0.44(34890) idle",
        f"{OURS}pgbouncer postgres 10.244.0.41(46468) idle",
        f"{OURS}monitor postgres 10.244.0.9(46468) SELECT",
        "postgres: ",
        "/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/17/main",
        "/usr/bin/python3 /usr/local/bin/patroni-start a b c(1) d e",
        "",
    ],
)
def test_nobody_else_is(script: Any, text: str) -> None:
    assert not script.is_pooled(title(text))


class Processes:
    """A /proc of the test's own, and time that passes while it is waited."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 0.0
        self.looks = 0

    def run(self, *texts: str) -> None:
        for number, text in enumerate(texts, 100):
            (self.directory / str(number)).mkdir()
            (self.directory / str(number) / "cmdline").write_bytes(title(text))

    def end(self) -> None:
        for each in self.directory.glob("[0-9]*"):
            (each / "cmdline").unlink()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.looks += 1


@pytest.fixture
def processes(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    found = Processes(tmp_path)
    (tmp_path / "self").mkdir()
    handing_over = tmp_path / "handing-over"
    handing_over.touch()
    real: Callable[..., int] = script.pooled
    monkeypatch.setattr(script, "HANDING_OVER", str(handing_over))
    monkeypatch.setattr(script, "pooled", lambda: real(str(tmp_path)))
    monkeypatch.setattr(script.time, "sleep", found.sleep)
    monkeypatch.setattr(script.time, "monotonic", lambda: found.now)
    return found


SESSION = f"{OURS}user db_user_profile 10.244.0.42(38524) idle"


def test_it_waits_until_the_last_session_is_gone(
    script: Any, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.run(SESSION, f"{OURS}checkpointer", SESSION)

    def sleep(seconds: float) -> None:
        processes.sleep(seconds)
        if processes.looks == 5:
            processes.end()

    monkeypatch.setattr(script.time, "sleep", sleep)
    script.main()
    assert processes.looks == 5


def test_one_that_does_not_go_is_waited_for_half_a_second_and_named(
    script: Any, processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    processes.run(SESSION)
    script.main()
    assert script.LONGEST_SECONDS < processes.now < script.LONGEST_SECONDS + 0.05
    assert capsys.readouterr().err == "before-stop: sessions still there: 1\n"


@pytest.mark.parametrize("texts", [(), (f"{OURS}checkpointer",)])
def test_where_nobody_came_through_a_router_nobody_is_waited_for(
    script: Any, processes: Processes, texts: tuple[str, ...]
) -> None:
    processes.run(*texts)
    script.main()
    assert processes.looks == 0


def test_a_stop_that_is_no_hand_over_does_not_wait(
    script: Any, processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    processes.run(SESSION)
    monkeypatch.setattr(script, "HANDING_OVER", str(tmp_path / "none"))
    script.main()
    assert processes.looks == 0
