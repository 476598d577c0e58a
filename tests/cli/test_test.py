"""How the tests are run."""

import os

from cli.test import _runs


def test_what_needs_no_stack_runs_first_and_on_every_processor():
    units, systems = _runs(False, ())
    assert units[:2] == ["-m", "not system"]
    assert units[units.index("-n") + 1] == str(os.cpu_count())
    assert systems == ["-m", "system"]


def test_unit_leaves_out_what_needs_docker():
    (only,) = _runs(True, ())
    assert only[:2] == ["-m", "not system"]


def test_who_gives_arguments_is_given_one_run_with_them():
    assert _runs(False, ("tests/cli", "-k", "up")) == [["tests/cli", "-k", "up"]]
    assert _runs(True, ("-x",)) == [["-m", "not system", "-x"]]
