"""The figures in the documents are the ones that were measured."""

from pathlib import Path

from benchmarks import table

ROOT = Path(__file__).resolve().parents[2]


def test_the_readmes_table_is_made_of_the_newest_records():
    assert table.table() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_record_lost_an_acknowledged_row_or_left_a_cluster_unhealed():
    for kind in table.KINDS:
        _, found = table.newest(kind)
        assert found["lost"] == 0, kind
        assert found["recovered"] == found["runs"], kind
        assert found["unverified"] == 0, kind


def test_every_outage_the_failure_modes_page_states_stands_in_a_record():
    page = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
    for kind in table.KINDS:
        _, found = table.newest(kind)
        outage = found["outage_seconds"]
        stated = f"p50 {outage['p50']:.2f} s, p95 {outage['p95']:.2f} s, max {outage['max']:.2f} s"
        assert stated in page, kind
