"""The figures in the documents are the ones that were measured."""

from pathlib import Path

import pytest

from benchmarks import table
from cli.drill.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]

EACH_KIND = [(service, kind) for service, kinds in KINDS.items() for kind in kinds]


@pytest.mark.parametrize("service", KINDS)
def test_the_readmes_table_is_made_of_the_newest_records(service):
    assert table.table(service) in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("service", "kind"), EACH_KIND)
def test_no_record_left_a_cluster_unhealed_or_a_row_unread(service, kind):
    _, found = table.newest(service, kind)
    assert found["recovered"] == found["runs"]
    assert found["unverified"] == 0


@pytest.mark.parametrize("kind", KINDS["postgres"])
def test_no_record_of_postgres_lost_an_acknowledged_row(kind):
    _, found = table.newest("postgres", kind)
    assert found["lost"] == 0


@pytest.mark.parametrize("kind", ["sentinel-loss", "quorum-loss"])
def test_no_record_of_redis_changed_its_primary_without_a_reason_or_a_quorum(kind):
    _, found = table.newest("redis", kind)
    assert found["failovers"] == 0


@pytest.mark.parametrize(("service", "kind"), EACH_KIND)
def test_every_outage_the_failure_modes_page_states_stands_in_a_record(service, kind):
    page = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
    _, found = table.newest(service, kind)
    outage = found["outage_seconds"]
    stated = f"p50 {outage['p50']:.2f} s, p95 {outage['p95']:.2f} s, max {outage['max']:.2f} s"
    assert stated in page
