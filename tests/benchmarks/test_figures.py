"""The figures in the documents are the ones that were measured."""

from pathlib import Path

import pytest

from benchmarks import table
from cli.drill.kinds import KINDS
from cli.drill.vault import KINDS as VAULT_KINDS

ROOT = Path(__file__).resolve().parents[2]

EACH_KIND = [(service, kind) for service, kinds in KINDS.items() for kind in kinds]


@pytest.mark.parametrize("service", KINDS)
def test_the_readmes_table_is_made_of_the_newest_records(service):
    assert table.table(service) in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "page"),
    [
        (table.recovery_table, "README.md"),
        (table.vault_table, "README.md"),
        (table.backup_table, "docs/backup-and-recovery.md"),
    ],
)
def test_the_tables_of_backups_are_made_of_the_newest_records(make, page):
    assert make() in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", VAULT_KINDS)
def test_no_record_of_harm_to_the_vault_was_missed_or_stayed(kind):
    _, found = table.newest("vault", kind)
    assert found["found"] == found["named"] == found["recovered"] == found["runs"] > 0


def test_every_moment_was_restored_exactly_and_every_promise_kept():
    _, pitr = table.newest_record("recovery", "pitr")
    assert pitr["exact"] == pitr["points"] >= 20
    assert pitr["contradictions"] == 0
    for part in ("destroy", "destroy_copy"):
        _, found = table.newest_record("recovery", part)
        assert (found["kept_the_promise"], found["healthy"], found["redis_is_back"]) == (True,) * 3


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
