"""The numbers, the verdict and the pictures made of them."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cli.drill import picture, report
from cli.drill.account import LostRow
from cli.drill.inside import InsideAccount
from cli.drill.journal import ClientError
from cli.drill.outage import Outage, Rate
from cli.drill.result import Campaign, Mark, MarkKind, PathResult, RunResult
from cli.drill.strip import legend, strip

WHEN = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
CRASH = ClientError("OperationalError", "08P01", "server conn <crashed> & gone")


def a_run(number: int = 1, outage: float = 2.0, **changes: Any) -> RunResult:
    silent = round(outage * 10)
    run = RunResult(
        kind="node-kill",
        number=number,
        run_id=f"node-kill-{number}-x",
        started_at=WHEN,
        failure=None,
        recovered=True,
        restored_after=outage + 3,
        primary_before="postgres-1",
        primary_after="postgres-2",
        paths={"router": PathResult(Outage(0.0, outage), (0.002, 0.001))},
        acked=1200,
        lost=0,
        unknown=4,
        unknown_found=1,
        unreplicated=None,
        failovers=None,
        inside=None,
        errors={CRASH: 4},
        lost_rows=(),
        marks=(
            Mark(MarkKind.INJECTION, 0.0, "kill postgres-1"),
            Mark(MarkKind.PROMOTION, outage - 0.1, "postgres-2"),
            Mark(MarkKind.HEALING, outage + 1, "healing begins"),
        ),
        rate=Rate(-2.0, (60,) * 20 + (0,) * silent + (60,) * 40),
    )
    return replace(run, **changes)


def a_campaign(*runs: RunResult, **changes: Any) -> Campaign:
    campaign = Campaign("postgres", 0, True, "local", WHEN, 4, len(runs), runs)
    return replace(campaign, **changes)


def on_two_paths(number: int = 1, *, router: float, sentinel: float, **changes: Any) -> RunResult:
    paths = {
        "router": PathResult(Outage(0.1, 0.1 + router), (0.001, 0.003)),
        "sentinel": PathResult(Outage(0.2, 0.2 + sentinel), (0.002,)),
    }
    return a_run(number, max(router, sentinel), paths=paths, **changes)


def a_redis_campaign(*runs: RunResult, wait: int = 0) -> Campaign:
    return a_campaign(*runs, service="redis", wait=wait, keeps_acknowledged=wait > 0)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 50, 7.0),
        ([7.0], 95, 7.0),
        ([2.0, 1.0], 50, 1.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(n) for n in range(20, 0, -1)], 50, 10.0),
        ([float(n) for n in range(20, 0, -1)], 95, 19.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
        ([float(n) for n in range(1, 22)], 95, 20.0),
    ],
)
def test_percentiles_are_values_that_were_measured(
    values: list[float], percent: float, expected: float
) -> None:
    assert report.percentile(values, percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 50)


def test_runs_of_one_kind_are_added_up() -> None:
    runs = [a_run(n, outage=n / 10) for n in range(1, 21)]
    (kind,) = report.by_kind(a_campaign(*runs))
    assert kind.outage_seconds == report.Spread(p50=1.0, p95=1.9, max=2.0)
    assert (kind.acked, kind.lost, kind.unknown, kind.unknown_found) == (24000, 0, 80, 20)
    assert (kind.recovered, kind.error_count, kind.unreplicated) == (20, 80, None)


def test_a_drill_without_complaint_passes() -> None:
    assert report.verdict(a_campaign(a_run(), a_run(2))) == 0


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lost": 1}, "1 acknowledged rows are lost"),
        ({"unreplicated": 2}, "2 commits were acknowledged while no standby was there"),
        ({"failovers": 1}, "the primary changed 1 times while it must not"),
        ({"failure": "not recovered within 120 s", "recovered": False}, "not recovered"),
        ({"failure": "the rows could not be read back", "lost": None}, "read back"),
    ],
)
def test_one_bad_run_fails_the_drill(changes: dict[str, Any], complaint: str) -> None:
    campaign = a_campaign(a_run(1), a_run(2, **changes), a_run(3))
    assert report.verdict(campaign) == 1
    (found,) = report.complaints(campaign)
    assert found.startswith("node-kill run 2: ")
    assert complaint in found


def test_a_drill_that_ended_early_fails() -> None:
    campaign = a_campaign(a_run(), runs_planned=3, ended_early="the cluster was not healthy")
    assert report.verdict(campaign) == 1
    assert "after 1 of 3 runs" in report.complaints(campaign)[0]


def test_an_interruption_does_not_hide_a_loss() -> None:
    stopped = {"runs_planned": 3, "interrupted": True, "ended_early": "it was interrupted"}
    assert report.verdict(a_campaign(a_run(), **stopped)) == 130
    assert report.verdict(a_campaign(a_run(lost=1), **stopped)) == 1


def test_json_has_the_numbers_under_stable_keys() -> None:
    lost = a_run(2, outage=21.9, lost=2, lost_rows=(LostRow(1, 77, -0.01), LostRow(2, 78, 0.0)))
    shown = json.loads(json.dumps(report.to_json(a_campaign(a_run(), lost))))
    assert (shown["stack"], shown["exit_code"], shown["runs"]) == ("local", 1, 2)
    (kind,) = shown["kinds"]
    assert kind["kind"] == "node-kill"
    assert kind["outage_seconds"] == {"p50": 2.0, "p95": 21.9, "max": 21.9}
    assert (kind["acked"], kind["lost"], kind["unknown_found"]) == (2400, 2, 2)
    assert (kind["errors"], kind["recovered"], kind["unreplicated"]) == (8, 2, None)
    run = kind["each_run"][1]
    assert run["lost_rows"][0] == {"client": 1, "seq": 77, "acked_at": -0.01}
    assert run["errors"][0]["sqlstate"] == "08P01"
    assert run["events"][0] == {"kind": "injection", "at": 0.0, "label": "kill postgres-1"}
    assert sum(run["acked_per_bucket"]["counts"]) == 3600


def test_the_outage_of_a_run_is_that_of_its_worst_path() -> None:
    runs = [on_two_paths(1, router=1.0, sentinel=3.0), on_two_paths(2, router=2.0, sentinel=0.5)]
    assert [run.worst_path for run in runs] == ["sentinel", "router"]
    (kind,) = report.to_json(a_redis_campaign(*runs))["kinds"]
    assert kind["outage_seconds"] == {"p50": 2.0, "p95": 3.0, "max": 3.0}
    assert kind["outage_seconds_by_path"] == {
        "router": {"p50": 1.0, "p95": 2.0, "max": 2.0},
        "sentinel": {"p50": 0.5, "p95": 3.0, "max": 3.0},
    }
    assert kind["latency_ms_by_path"] == {
        "router": {"p50": 1.0, "p99": 3.0},
        "sentinel": {"p50": 2.0, "p99": 2.0},
    }
    assert kind["each_run"][1]["outage_seconds"] == 2.0
    assert kind["each_run"][1]["outage_seconds_by_path"] == {"router": 2.0, "sentinel": 0.5}


def test_a_lost_row_fails_redis_only_where_a_replica_had_confirmed_it() -> None:
    lost = on_two_paths(router=1.0, sentinel=1.0, lost=3)
    assert report.verdict(a_redis_campaign(lost)) == 0
    assert report.to_json(a_redis_campaign(lost))["kinds"][0]["lost"] == 3
    assert report.verdict(a_redis_campaign(lost, wait=1)) == 1


def test_what_a_cut_off_primary_accepted_is_reported_apart_from_what_was_lost() -> None:
    runs = [
        on_two_paths(n, router=1.0, sentinel=1.0, inside=InsideAccount(10 * n, float(n)))
        for n in (1, 2)
    ]
    (kind,) = report.to_json(a_redis_campaign(*runs))["kinds"]
    assert kind["accepted_after_cut_seconds"] == {"p50": 1.0, "p95": 2.0, "max": 2.0}
    assert (kind["inside_accepted"], kind["lost"]) == (30, 0)
    run = kind["each_run"][1]
    assert (run["accepted_after_cut_seconds"], run["inside_accepted"]) == (2.0, 20)
    (note,) = [n for n in report.notes(a_redis_campaign(*runs)) if "cut off" in n]
    assert "at most 2.00 s after the cut, and 30 in all" in note


def test_redis_has_a_line_for_each_path_within_80_columns() -> None:
    console = Console(width=80, record=True, file=StringIO())
    runs = [
        on_two_paths(n, router=21.11, sentinel=1.0, acked=9_999, kind="sentinel-loss")
        for n in range(50)
    ]
    console.print(report.table(a_redis_campaign(*runs, wait=1)))
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[0] == "drill redis --wait 1, stack local"
    assert "…" not in "".join(lines), "nothing had to be cut off"
    (overall,) = [line for line in lines if line.startswith("sentinel-loss")]
    for number in (" 21.11 ", " 499,950 ", " 50/50"):
        assert number in overall
    (sentinel,) = [line for line in lines if line.startswith("sentinel ")]
    assert sentinel.split() == ["sentinel", "1.00", "1.00", "1.00"]


def test_one_path_has_no_line_of_its_own() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(report.table(a_campaign(a_run())))
    assert "router" not in console.export_text()


def test_the_table_shows_the_numbers() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(report.table(a_campaign(a_run(), a_run(2, outage=21.94, lost=3))))
    (line,) = [line for line in console.export_text().splitlines() if "node-kill" in line]
    for number in (" 2.00 ", " 21.94 ", " 2,400 ", " 3 ", " 2/2"):
        assert number in line


def test_a_strip_shows_the_outage_and_the_events_in_their_places() -> None:
    text = strip(a_run(), 100, unicode=True).plain
    bar = text[19 : text.index(" 2.00 s")]
    # 8 s in 60 cells: 2 s of writing, 2 s of outage, 4 s of writing.
    assert bar[:15] == "█" * 15
    assert bar[15] == "↓"
    assert bar.index("★") == 29
    assert bar.index("↑") == 37
    assert set(bar[16:29]) == {"░"}
    assert set(bar[30:]) == {"█", "↑"}
    assert text.endswith("lost 0")
    assert len(text) <= 100


def test_a_strip_can_do_without_unicode() -> None:
    text = strip(a_run(lost=None), 100, unicode=False).plain
    assert text.isascii()
    assert legend(unicode=False).isascii()
    assert "!xxx" in text
    assert "*" in text
    assert "^" in text
    assert text.endswith("lost ?")


def test_a_strip_of_a_short_run_is_short_and_of_a_narrow_terminal_still_readable() -> None:
    short = a_run(outage=0.01, marks=(), rate=Rate(-0.5, (5,) * 10))
    assert len(strip(short, 200, unicode=True).plain) < 50
    assert len(strip(a_run(), 10, unicode=True).plain) < 70


def svg_texts(campaign: Campaign) -> tuple[ET.Element, str]:
    root = ET.fromstring(picture.svg(campaign))
    return root, " | ".join(text.strip() for text in root.itertext() if text.strip())


def test_the_svg_is_xml_and_shows_the_numbers() -> None:
    runs = [a_run(n, outage=n) for n in range(1, 21)]
    root, text = svg_texts(a_campaign(*runs, a_run(1, kind="double", lost=5)))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "node-kill: outage p50 10.00 s, p95 19.00 s, max 20.00 s" in text
    assert "lost 0 of 24,000 acknowledged; recovered 20 of 20; 80 errors" in text
    assert "double: outage p50 2.00 s" in text
    assert "lost 5 of 1,200" in text
    assert "injection at 0.00 s: kill postgres-1" in text
    assert "promotion at 0.90 s: postgres-2" in text
    assert "seconds from the injection" in text


def test_the_svg_names_the_service_and_the_path_of_each_outage() -> None:
    run = on_two_paths(router=1.5, sentinel=2.5, lost=2)
    root, text = svg_texts(a_redis_campaign(run, wait=1))
    assert "drill redis --wait 1, stack local" in text
    assert "2.50 s, sentinel" in text
    assert "router p95 1.50 s, sentinel p95 2.50 s" in text
    assert "lost 2 of 1,200" in text
    assert [e for e in root.iter() if e.get("class") == "bad"], "it was to be kept"
    calm, _ = svg_texts(a_redis_campaign(run))
    assert not [e for e in calm.iter() if e.get("class") == "bad"]


def test_the_svg_of_one_path_does_not_name_it() -> None:
    assert "router" not in svg_texts(a_campaign(a_run()))[1]


def test_the_svg_keeps_inside_its_edges() -> None:
    root, _ = svg_texts(a_campaign(a_run(1, outage=0.3), a_run(2, outage=119.5)))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        x = float(element.get("x", 0))
        assert 0 <= x <= width
        if element.get("width", "0%") != "100%":
            assert x + float(element.get("width", 0)) <= width
        assert 0 <= float(element.get("y", 0)) <= height
        for x1, y1 in re.findall(r"[ML]([\d.]+) ([\d.]+)", element.get("d", "")):
            assert 0 <= float(x1) <= width
            assert 0 <= float(y1) <= height


def test_the_svg_escapes_what_it_is_told() -> None:
    marks = (Mark(MarkKind.INJECTION, 0.0, "kill <a> & b"),)
    _, text = svg_texts(a_campaign(a_run(marks=marks), stack="<x>&"))
    assert "kill <a> & b" in text
    assert "stack <x>&" in text


def test_the_svg_of_no_run_and_of_an_unread_run_is_still_a_picture() -> None:
    assert "no run was completed" in svg_texts(a_campaign())[1]
    text = svg_texts(a_campaign(a_run(lost=None, recovered=False, failure="x")))[1]
    assert "not read back, not recovered" in text


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (-2.0, 6.0, [-2, -1, 0, 1, 2, 3, 4, 5, 6]),
        (-0.3, 0.4, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4]),
        (-2.1, 61.0, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]),
        (-2.0, 125.0, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]),
        (-3.0, 19.0, [-2, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18]),
    ],
)
def test_ticks_are_round_numbers(start: float, end: float, expected: list[float]) -> None:
    assert picture._ticks(start, end) == pytest.approx(expected)
