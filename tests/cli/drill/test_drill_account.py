"""What is lost, what is unknown, how long it was silent: the sums a drill stands on."""

from array import array

import pytest

from cli.drill.account import settle
from cli.drill.inside import InsideAccount, settle_inside
from cli.drill.journal import ClientJournal, Journal, Outcome
from cli.drill.outage import Outage, Rate, finest_cells, longest_silence, rate

S, A, U, R = Outcome.SENT, Outcome.ACKNOWLEDGED, Outcome.UNKNOWN, Outcome.REFUSED


def journal(*clients: list[Outcome]) -> Journal:
    return Journal(
        tuple(
            ClientJournal(
                "router",
                bytes(outcomes),
                array("d", [float(s) for s, o in enumerate(outcomes) if o is A]),
                array("d", [s + 0.5 for s, o in enumerate(outcomes) if o is A]),
            )
            for outcomes in clients
        ),
        {},
    )


def test_rows_that_were_acknowledged_and_are_absent_are_lost() -> None:
    account = settle(journal([A, U, A, A], [A, A]), [(0, 0), (0, 3), (1, 0)])
    assert (account.acked, account.lost) == (5, 2)
    assert [(row.client, row.seq, row.acked_at) for row in account.lost_rows] == [
        (1, 1, 1.5),
        (0, 2, 2.5),
    ]


def test_rows_without_an_answer_may_be_there_or_not() -> None:
    account = settle(journal([A, U, S, U, R]), [(0, 0), (0, 1)])
    assert (account.lost, account.unknown, account.unknown_found) == (0, 3, 1)


def test_a_row_that_nobody_heard_of_is_found_not_lost() -> None:
    account = settle(journal([A]), [(0, 0), (0, 7)])
    assert (account.lost, account.unknown_found) == (0, 1)


def test_only_the_first_lost_rows_are_named() -> None:
    account = settle(journal([A] * 50), [])
    assert account.lost == 50
    assert [row.seq for row in account.lost_rows] == list(range(10))


def test_the_outage_is_the_longest_silence_of_all_clients_together() -> None:
    outage = longest_silence([10.0, 10.1, 12.6, 12.7, 13.5], injected_at=10.5)
    assert (outage.start, outage.end) == pytest.approx((-0.4, 2.1))
    assert outage.seconds == pytest.approx(2.5)


def test_a_silence_that_never_ended_lasts_until_the_drill_gave_up() -> None:
    assert longest_silence([10.0, 10.1], 10.1, silent_until=130.1) == Outage(0.0, 120.0)


def test_one_acknowledgement_is_no_outage() -> None:
    assert longest_silence([10.0], 10.0).seconds == 0.0


def test_the_rate_is_counted_in_buckets_around_the_injection() -> None:
    counted = rate([9.85, 9.95, 10.0, 10.05, 10.31], injected_at=10.0)
    assert counted.start == pytest.approx(-0.2)
    assert counted.counts == (1, 1, 2, 0, 0, 1)
    assert counted.end == pytest.approx(0.4)


def test_a_cell_shows_the_mean_of_its_buckets() -> None:
    counted = Rate(0.0, (10, 20, 0, 0))
    assert counted.per_second(0.0, 0.4, 2) == pytest.approx([150.0, 0.0])
    assert counted.per_second(-0.4, 0.4, 2) == pytest.approx([0.0, 75.0])


@pytest.mark.parametrize("seconds", [0.3, 1.0, 7.97, 8.0, 8.05, 119.3])
@pytest.mark.parametrize("shift", [0.0, 0.03, 0.05])
def test_steady_writing_is_drawn_without_gaps(seconds: float, shift: float) -> None:
    steady = Rate(-2.0, (60,) * 1300)
    start, end = shift - 1.0, shift - 1.0 + seconds
    cells = finest_cells(start, end, 260)
    assert steady.per_second(start, end, cells) == pytest.approx([600.0] * cells)
    assert cells >= min(260, seconds / 0.1 - 1.01)


def test_each_path_has_its_own_times_and_latencies() -> None:
    def client(path: str, sent: list[float], acked: list[float]) -> ClientJournal:
        return ClientJournal(path, bytes([A] * len(sent)), array("d", sent), array("d", acked))

    both = Journal((client("router", [1, 3], [2, 7]), client("sentinel", [1.5], [1.75])), {})
    assert both.paths() == ["router", "sentinel"]
    assert both.acknowledged_at() == [1.75, 2, 7]
    assert both.acknowledged_at("router") == [2, 7]
    assert both.latencies("router", until=10) == [1, 4]
    assert both.latencies("router", until=6) == [1], "what the fault delayed is left out"
    assert both.latencies("sentinel", until=10) == [0.25]


def test_what_was_accepted_inside_counts_from_the_cut_to_the_healing() -> None:
    moments = [99.0, 100.5, 103.25, 115.5]
    assert settle_inside(moments, 100.0, 115.0) == InsideAccount(accepted=2, last=3.25)
    assert settle_inside([99.0], 100.0, 115.0) == InsideAccount(accepted=0, last=0.0)


def test_a_writer_inside_that_never_wrote_proves_nothing() -> None:
    with pytest.raises(ValueError, match="not even before the cut"):
        settle_inside([], 100.0, 115.0)
