"""Which way a stack is applied, what is refused, and what a person sees meanwhile."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cli import apply
from cli.console import Steps
from cli.errors import UserError
from cli.project import Project
from platforms.docker_names import LABEL_IDENTITY, LABEL_WORKLOAD
from standalone.declared import declare
from standalone.plan import Action, Change
from standalone.plan import Step as PlanStep


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\n")
    (tmp_path / "policy-config.json").write_text("{}")
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
    names = ("vault", "etcd", "postgres", "router", "backup", "vault-copy", "postgres")
    containers = [SimpleNamespace(labels={LABEL_WORKLOAD: name}) for name in names]
    groups = [
        sorted(each.labels[LABEL_WORKLOAD] for each in group)
        for group in apply._stop_order(containers)
    ]
    assert groups == [
        ["backup", "router"],
        # Its last WAL goes to the vault as it stops.
        ["postgres", "postgres"],
        ["etcd"],
        ["vault-copy"],
        ["vault"],
    ]


class Runs:
    """The Pulumi CLI's runs; of each, the arguments and the stack file it was given."""

    def __init__(self):
        self.all = []

    def __call__(self, command, **_):
        given = command[command.index("--config-file") + 1] if "--config-file" in command else None
        self.all.append((command[1:], yaml.safe_load(Path(given).read_text()) if given else None))
        return SimpleNamespace(returncode=0)


def test_a_recovery_reaches_the_pulumi_cli_in_a_stack_file_of_one_run(project, monkeypatch):
    runs = Runs()
    monkeypatch.setattr(apply.subprocess, "run", runs)
    (project.root / "Pulumi.local.yaml").write_text(
        "encryptionsalt: v1:abc\nconfig:\n  selfmonitor:subnet: 10.9.0.0/20\n"
    )
    recovering = project.recovering("copy", "0/3000060")
    apply.PulumiApplier(recovering, engine_with()).up(Steps())
    command, given = runs.all[-1]
    assert "--refresh" in command
    assert given == {
        "encryptionsalt": "v1:abc",
        "config": {
            "selfmonitor:subnet": "10.9.0.0/20",
            "selfmonitor:recovery": {"source": "copy", "to": "0/3000060"},
        },
    }
    assert list(project.directory.glob("*.yaml")) == []
    apply.PulumiApplier(project, engine_with()).up(Steps())
    command, given = runs.all[-1]
    assert "--refresh" not in command
    assert given is None


def test_the_pulumi_cli_previews_with_the_policy_pack_before_it_applies(project, monkeypatch):
    runs = Runs()
    monkeypatch.setattr(apply.subprocess, "run", runs)
    (project.root / "Pulumi.local.yaml").write_text("config: {}\n")
    apply.PulumiApplier(project).up(Steps())
    command, _ = runs.all[-1]
    assert command[:2] == ["up", "--yes"]
    assert command[command.index("--policy-pack") + 1] == str(project.root / "policies")
    assert "--skip-preview" not in command


def test_a_plan_without_the_pulumi_cli_is_judged_too(project, monkeypatch):
    (project.root / "Pulumi.local.yaml").write_text("config: {}\n")
    one = {"all": "disabled", "docker-bind-addresses": {"enforcementLevel": "mandatory"}}
    (project.root / "policy-config.json").write_text(json.dumps(one))
    (project.root / "__main__.py").write_text(
        "import pulumi_docker as docker\n"
        "docker.Container('c', image='i', ports=[docker.ContainerPortArgs("
        "internal=5432, external=5432, ip='0.0.0.0')])\n"
    )
    network = PlanStep("network", "n", Change(Action.UNCHANGED))
    container = PlanStep("container", "c", Change(Action.CREATE))

    class Planned:
        """An engine that only plans."""

        def __init__(self, client, state, stack, *, dry_run, report, progress):
            assert dry_run
            self.report = report

        def run(self, root, configuration, name):
            self.registered = declare(root, configuration, name, "local").registered
            self.report(container)
            self.report(network)

    monkeypatch.setattr("standalone.engine.Engine", Planned)
    plan = apply.StandaloneApplier(project, engine_with()).plan()
    assert plan.steps == (network, container)
    assert plan.compared
    assert plan.judged.blocks
    assert {each.control for each in plan.judged.violations} == {"docker-bind-addresses"}


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
