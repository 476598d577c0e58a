"""The command: what it accepts, where it writes, how it exits."""

import json
import os
import signal
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from cli.drill import campaign, command, postgres_store, service
from cli.drill.kinds import KINDS
from cli.drill.run import Timing

pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture
def opened(
    cluster: Any, database: Any, timing: Timing, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Lets the command open the cluster in memory; holds one entry for each time it did."""
    opened: list[Any] = []

    def open_cluster(ctx: Any) -> Any:
        opened.append(ctx)
        return cluster

    monkeypatch.setitem(sys.modules, "cli.cluster", SimpleNamespace(open_cluster=open_cluster))
    monkeypatch.setattr(postgres_store, "connector", lambda conninfo: database.connect)
    monkeypatch.setattr(command, "run_campaign", partial(campaign.run_campaign, timing=timing))
    return opened


FAULTS = KINDS["postgres"]


def drill(*arguments: str, service: str = "postgres") -> Result:
    return CliRunner().invoke(command.drill, [service, *arguments])


def test_an_unknown_kind_is_refused_with_the_kinds_there_are(opened: list[Any]) -> None:
    result = drill("--kind", "meteorite")
    assert result.exit_code == 2
    assert not opened
    for kind in (*FAULTS, "all"):
        assert kind in result.stderr


@pytest.mark.parametrize("name", KINDS)
def test_help_describes_every_kind(name: str) -> None:
    result = drill("--help", service=name)
    for fault in KINDS[name].values():
        assert fault.kind in result.output
        assert fault.summary[:30] in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--kind", "freeze", "--runs", "0"],
        ["--kind", "freeze", "--clients", "0"],
        ["--kind", "freeze", "--hold", "-1"],
        ["--kind", "freeze", "-o", "picture.png"],
        ["--kind", "freeze", "-o", "table"],
        ["--kind", "freeze", "-o", "no/such/folder/picture.svg"],
    ],
)
def test_bad_input_is_refused_before_anything_is_opened(
    arguments: list[str], opened: list[Any]
) -> None:
    result = drill(*arguments)
    assert result.exit_code == 2
    assert not opened


def test_a_png_is_refused_with_what_can_be_had(opened: list[Any]) -> None:
    assert "ends in .svg" in drill("--kind", "freeze", "-o", "picture.png").stderr


def test_a_drill_that_goes_well_exits_0_and_shows_its_table(opened: list[Any]) -> None:
    result = drill("--kind", "switchover", "--runs", "2")
    assert result.exit_code == 0, result.output
    assert "switchover" in result.stdout
    assert " 2/2" in result.stdout
    assert "This breaks stack 'local' for real" in result.stderr
    assert "switchover 2/2: outage" in result.stderr


def test_a_lost_row_exits_1(opened: list[Any], database: Any) -> None:
    database.forget = lambda row: row[2] == 5
    result = drill("--kind", "switchover")
    assert result.exit_code == 1
    assert "acknowledged rows are lost" in result.stderr


def test_with_json_nothing_else_is_on_standard_output(opened: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    result = drill("--kind", "node-kill", "--hold", "0.1", "-o", "json", "-o", str(file))
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["kinds"][0]["lost"] == 0
    assert shown["kinds"][0]["acked"] > 0
    assert "node-kill" in result.stderr
    assert ET.parse(file).getroot().tag.endswith("svg")


def test_all_means_every_kind_once(opened: list[Any]) -> None:
    result = drill("--kind", "all", "--kind", "freeze", "--hold", "0.05", "-o", "json")
    assert [kind["kind"] for kind in json.loads(result.stdout)["kinds"]] == list(FAULTS)


def test_another_stack_is_broken_only_when_meant(opened: list[Any], cluster: Any) -> None:
    cluster.stack = "production"
    result = drill("--kind", "switchover")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not cluster.calls
    assert drill("--kind", "switchover", "--yes").exit_code == 0


def test_a_database_that_cannot_be_reached_is_one_clear_error(
    opened: list[Any], cluster: Any, database: Any
) -> None:
    def refuse() -> None:
        raise psycopg.OperationalError("connection refused")

    database.on_connect = refuse
    result = drill("--kind", "switchover")
    assert result.exit_code == 1
    assert not cluster.calls
    assert "nothing was broken" in result.stderr
    assert "connection refused" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_heals_and_reports_what_there_is(
    number: signal.Signals, opened: list[Any], cluster: Any
) -> None:
    before = signal.getsignal(number)

    def send_when_frozen() -> None:
        deadline = time.monotonic() + 2
        while not cluster.down and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    threading.Thread(target=send_when_frozen, daemon=True).start()
    result = drill("--kind", "freeze", "--hold", "20", "-o", "json")
    assert result.exit_code == 130
    assert cluster.calls[-1] == ("unpause", "postgres-1")
    assert json.loads(result.stdout)["interrupted"] is True
    assert "healed first" in result.stderr
    assert signal.getsignal(number) is before


@pytest.fixture
def opened_redis(
    opened: list[Any], redis: Any, redis_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """Lets `drill redis` open the Redis in memory; holds the `wait` it was asked for."""
    asked: list[int] = []

    def open_redis(cluster: Any, wait: int) -> Any:
        asked.append(wait)
        return replace(redis, wait=wait, keeps_acknowledged=wait > 0)

    stub = SimpleNamespace(open_cluster=lambda ctx: redis_cluster)
    monkeypatch.setitem(sys.modules, "cli.cluster", stub)
    monkeypatch.setattr(service, "redis", open_redis)
    return asked


def test_redis_is_drilled_with_the_same_words(opened_redis: list[int], tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    result = drill("--kind", "switchover", "-o", "json", "-o", str(file), service="redis")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["service"], shown["wait"]) == ("redis", 0)
    assert set(shown["kinds"][0]["outage_seconds_by_path"]) == {"router", "sentinel"}
    assert "drill redis, stack local" in file.read_text()


def test_a_lost_row_fails_redis_only_with_wait(opened_redis: list[int], redis: Any) -> None:
    redis.store.forget = lambda row: row[2] == 3
    assert drill("--kind", "switchover", service="redis").exit_code == 0
    result = drill("--kind", "switchover", "--wait", "1", service="redis")
    assert result.exit_code == 1
    assert "acknowledged rows are lost" in result.stderr
    assert opened_redis == [0, 1]


def test_redis_without_a_primary_is_one_clear_error(
    opened_redis: list[int], redis_cluster: Any
) -> None:
    redis_cluster.down.add("redis-1")
    redis_cluster.never_recovers = True
    result = drill("--kind", "switchover", service="redis")
    assert result.exit_code == 1
    assert "nothing was broken" in result.stderr
    assert not redis_cluster.calls


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "consensus-loss"], "quorum-loss"),
        (["--kind", "freeze", "--clients", "1"], "--clients"),
        (["--kind", "freeze", "--wait", "-1"], "--wait"),
        (["--kind", "freeze", "--wait", "3"], "has 2 replicas of Redis"),
    ],
)
def test_what_redis_cannot_do_is_refused(
    arguments: list[str], said: str, opened_redis: list[int], redis_cluster: Any
) -> None:
    result = drill(*arguments, service="redis")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not redis_cluster.calls


def test_postgres_knows_no_wait(opened: list[Any]) -> None:
    assert drill("--kind", "freeze", "--wait", "1").exit_code == 2
