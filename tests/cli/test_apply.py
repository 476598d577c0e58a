"""Which way a stack is applied, what is refused, and what a person sees meanwhile."""

from types import SimpleNamespace

import pytest

from cli import apply
from cli.console import Steps
from cli.errors import UserError
from cli.project import Project
from platforms.docker_names import LABEL_IDENTITY, LABEL_WORKLOAD
from standalone.plan import Action, Change
from standalone.plan import Step as PlanStep


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, "local")


def engine_with(*volumes):
    """A Docker client that has these data volumes, given by their labels."""
    found = [SimpleNamespace(name="data", attrs={"Labels": labels}) for labels in volumes]
    return SimpleNamespace(volumes=SimpleNamespace(list=lambda filters: found))


def with_pulumi(monkeypatch, there):
    monkeypatch.setattr(apply.shutil, "which", lambda name: "/usr/bin/pulumi" if there else None)


def test_the_pulumi_cli_is_used_where_it_is(project, monkeypatch):
    with_pulumi(monkeypatch, True)
    assert isinstance(apply.applier(project, engine_with()), apply.PulumiApplier)


def test_without_the_pulumi_cli_the_program_is_applied_all_the_same(project, monkeypatch):
    with_pulumi(monkeypatch, False)
    assert isinstance(apply.applier(project, engine_with()), apply.StandaloneApplier)


def test_a_stack_brought_up_without_the_pulumi_cli_stays_so(project, monkeypatch):
    with_pulumi(monkeypatch, True)
    project.directory.mkdir(parents=True)
    project.state_file.write_text("{}")
    assert isinstance(apply.applier(project, engine_with()), apply.StandaloneApplier)


@pytest.mark.parametrize("there", [True, False])
def test_data_whose_state_file_is_gone_is_not_handed_to_new_passwords(project, monkeypatch, there):
    with_pulumi(monkeypatch, there)
    client = engine_with({LABEL_IDENTITY: "one"})
    with pytest.raises(UserError, match=r"state\.json is missing") as raised:
        apply.applier(project, client).outputs()
    assert "down --volumes" in str(raised.value)


def test_data_of_the_pulumi_cli_is_not_touched_without_it(project, monkeypatch):
    with_pulumi(monkeypatch, False)
    with pytest.raises(UserError, match="brought up with the Pulumi CLI"):
        apply.applier(project, engine_with({})).outputs()


def test_what_depends_on_others_stops_before_them():
    names = ("etcd", "postgres", "router", "provision", "postgres")
    containers = [SimpleNamespace(labels={LABEL_WORKLOAD: name}) for name in names]
    groups = [
        sorted(each.labels[LABEL_WORKLOAD] for each in group)
        for group in apply._stop_order(containers)
    ]
    assert groups == [["provision", "router"], ["postgres", "postgres"], ["etcd"]]


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    return apply._Board(Steps())


def done(kind, name, action, reason="", seconds=1.0):
    return PlanStep(kind, name, Change(action, reason), seconds)


def test_a_run_that_changes_nothing_says_nothing(board, capsys):
    board.done(done("container", "selfmonitor-local-etcd-1", Action.UNCHANGED))
    board.close()
    assert board.changed is False
    assert capsys.readouterr().err == ""


def test_a_replaced_server_is_a_line_with_the_reason_and_the_time(board, capsys):
    board.done(
        done("container", "selfmonitor-local-router-1", Action.REPLACE, "image changed", 2.0)
    )
    board.close()
    assert board.changed is True
    assert "✓ container router-1 replaced (image changed)  2.0 s" in capsys.readouterr().err


def test_the_many_small_things_are_counted_and_never_named(board, capsys):
    for role in ("postgres", "user"):
        board.done(done("password", f"postgres-password-{role}", Action.CREATE))
    board.done(done("container", "selfmonitor-local-etcd-1-files", Action.CREATE))
    board.close()
    assert capsys.readouterr().err.splitlines() == [
        "✓ passwords: 2",
        "✓ files delivered, containers: 1",
    ]


def test_what_was_under_way_when_it_failed_is_shown_as_such(board, capsys):
    board.progress("selfmonitor-local-postgres-1", "waiting for PostgreSQL")
    board.abandon()
    assert capsys.readouterr().err.startswith("✗ postgres-1")
