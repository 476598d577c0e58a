"""down: what is deleted, what is kept, and what a person is told before."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli import apply, under_way
from cli import down as module
from cli.console import Steps
from cli.errors import UserError
from cli.project import Project


@pytest.fixture
def project(tmp_path: Any) -> Project:
    found = Project(tmp_path, "shop-1")
    found.directory.mkdir(parents=True)
    found.state_file.write_text("{}")
    under_way.from_backup(found).write({"source": "vault"})
    return found


def volume(name: str, workload: str, role: str, removed: list[str]) -> Any:
    labels = {"io.selfmonitor.workload": workload, "io.selfmonitor.role": role}
    full = f"selfmonitor-shop-1-{name}"
    return SimpleNamespace(name=full, attrs={"Labels": labels}, remove=lambda: removed.append(name))


@pytest.fixture
def removed() -> list[str]:
    return []


@pytest.fixture
def client(removed: list[str]) -> Any:
    """A Docker client whose stack is stopped and has these volumes."""
    volumes = [
        volume("postgres-1-data", "postgres", "data", removed),
        volume("postgres-1-files", "postgres", "files", removed),
        volume("vault-1-data", "vault", "data", removed),
        volume("vault-1-files", "vault", "files", removed),
        volume("vault-copy-1-data", "vault-copy", "data", removed),
        volume("backup-1-data", "backup", "data", removed),
    ]
    nothing = SimpleNamespace(list=lambda **_: [])
    return SimpleNamespace(
        containers=nothing,
        networks=nothing,
        volumes=SimpleNamespace(list=lambda filters: volumes),
    )


@pytest.fixture
def run(project: Project, client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(module.docker_engine, "require", lambda: client)

    def go(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(
            module.down,
            list(arguments),
            obj=project,
            input=typed,
            standalone_mode=False,
            catch_exceptions=False,
        )

    return go


def test_data_and_passwords_stay(
    run: Callable[..., Result], removed: list[str], project: Project
) -> None:
    assert run().stdout.endswith("data and passwords are kept, up brings it back\n")
    assert removed == []
    assert project.state_file.exists()


def test_with_volumes_everything_goes_the_backups_as_well(
    run: Callable[..., Result], removed: list[str], project: Project
) -> None:
    result = run("--volumes", typed="shop-1\n")
    assert "every backup in both vaults" in result.stderr
    assert result.stdout.endswith("stack shop-1 is down\n")
    assert len(removed) == 6
    assert [path.name for path in project.directory.iterdir()] == ["lock"]


def test_the_vaults_and_the_keys_can_be_kept(
    run: Callable[..., Result], removed: list[str], project: Project
) -> None:
    result = run("--volumes", "--keep-vault", typed="shop-1\n")
    assert "The backups in both vaults, the passwords and the keys are kept" in result.stderr
    assert "up --from-backup brings it back" in result.stdout
    assert removed == ["postgres-1-data", "postgres-1-files", "vault-1-files", "backup-1-data"]
    assert project.state_file.exists()
    assert under_way.from_backup(project).read() is None


@pytest.mark.parametrize("typed", ["", "local\n", "yes\n"])
def test_nothing_is_deleted_without_the_name(
    run: Callable[..., Result], removed: list[str], typed: str
) -> None:
    for options in (("--volumes",), ("--volumes", "--keep-vault")):
        with pytest.raises(UserError, match="not confirmed: nothing was deleted"):
            run(*options, typed=typed)
    assert removed == []


def test_keeping_the_vault_is_about_deleting_the_rest(run: Callable[..., Result]) -> None:
    with pytest.raises(click.UsageError, match="--keep-vault goes with --volumes"):
        run("--keep-vault")


def test_the_pulumi_cli_is_told_which_volumes_to_keep(
    project: Project, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def runs(command: list[str], **_: Any) -> Any:
        ran.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(apply.subprocess, "run", runs)
    by = apply.PulumiApplier(project, client)
    by.down(Steps(), volumes=True, keep_vault=True)
    destroy = ran[-1]
    targets = [destroy[index + 1] for index, each in enumerate(destroy) if each == "--target"]
    assert targets == [
        "**docker:index/container:Container**",
        "**docker:index/network:Network**",
        "**docker:index/volume:Volume::postgres-1-data",
        "**docker:index/volume:Volume::postgres-1-files",
        "**docker:index/volume:Volume::vault-1-files",
        "**docker:index/volume:Volume::backup-1-data",
    ]
    assert project.state_file.exists()
