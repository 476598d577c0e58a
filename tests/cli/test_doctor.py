"""What the doctor says of certificates; its other checks have tests of their own."""

import datetime

import pytest

from cli.doctor import _certificates
from cli.project import PROJECT, ROOT, Project
from standalone.state import State


@pytest.fixture
def project(tmp_path):
    for name in ("Pulumi.yaml", "Pulumi.local.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    return Project(tmp_path, "local")


def remember(project, days):
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    state = State(project.state_file, PROJECT, project.stack)
    entry = {"type": "t", "inputs": {}, "outputs": {"validityEndTime": end.isoformat()}}
    state.record("urn", entry)


def test_a_certificate_with_time_left_needs_nothing(project):
    remember(project, 100)
    [result] = _certificates(project)
    assert result.fine
    assert "in 100 days" in result.found


def test_a_certificate_in_its_last_month_is_a_finding_with_the_fix(project):
    remember(project, 10)
    [result] = _certificates(project)
    assert not result.fine
    assert "in 10 days" in result.found
    assert "./selfmonitor up" in result.fix


def test_a_stack_that_was_never_up_has_none(project):
    assert list(_certificates(project)) == []
