"""One change of a stack at a time, across processes."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli.errors import OperationFailed, UserError
from cli.project import Project

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from cli.project import Project
with Project(Path(sys.argv[1]), sys.argv[2]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(root: Path, stack: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), stack],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with holder(tmp_path, "local") as process:
        with (
            pytest.raises(OperationFailed, match=rf"another command \(process {process.pid}\)"),
            Project(tmp_path, "local").lock(),
        ):
            pytest.fail("it was let in")
        with Project(tmp_path, "other").lock():
            pass
        process.communicate("")


def test_a_holder_that_is_killed_gives_the_lock_back(tmp_path: Path) -> None:
    with holder(tmp_path, "local") as process:
        process.kill()
        process.wait(10)
    with Project(tmp_path, "local").lock():
        assert stat.S_IMODE((tmp_path / ".selfmonitor" / "local").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", "Local", "1st", "a_b", "a/b", "..", "a" * 32, "local\n"])
def test_a_name_that_docker_could_not_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not a name"):
        Project(tmp_path, name)


def test_what_clients_need_lies_in_the_stacks_own_folder(tmp_path: Path) -> None:
    project = Project(tmp_path, "shop")
    folder = tmp_path / ".selfmonitor" / "shop"
    assert project.directory == folder
    assert project.authority_file == folder / "ca.crt"
    assert project.application_certificate_file == folder / "application.crt"
    assert project.application_key_file == folder / "application.key"


def test_a_stack_that_is_forgotten_leaves_no_secret_and_keeps_its_lock(tmp_path: Path) -> None:
    project = Project(tmp_path, "shop")
    with project.lock():
        for path in (project.state_file, project.application_key_file, project.authority_file):
            path.write_text("secret")
        project.forget()
    assert [path.name for path in project.directory.iterdir()] == ["lock"]


def test_a_recovery_is_for_one_run_and_stands_in_no_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\n")
    (tmp_path / "Pulumi.shop.yaml").write_text("config:\n  selfmonitor:subnet: 10.9.0.0/20\n")
    project = Project(tmp_path, "shop")
    before = sorted(tmp_path.iterdir())
    recovering = project.recovering("vault", "2026-11-23T00:00:00Z")
    assert recovering.settings.recovery is not None
    assert recovering.settings.recovery.source == "vault"
    assert recovering.settings.recovery.to == "2026-11-23T00:00:00Z"
    assert recovering.settings.subnet == project.settings.subnet
    assert project.recovering("copy", None).configuration["selfmonitor:recovery"] == (
        '{"source": "copy"}'
    )
    assert project.settings.recovery is None
    assert sorted(tmp_path.iterdir()) == before


def shop(folder: Path, text: str) -> Project:
    (folder / "Pulumi.yaml").write_text(
        "name: selfmonitor\nconfig:\n  platform:\n    type: string\n    default: docker\n"
    )
    (folder / "Pulumi.shop.yaml").write_text(text)
    return Project(folder, "shop")


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("config:\n  selfmonitor:platform: kubernetes\n", True),
        ("config:\n  platform: kubernetes\n", True),
        ("config:\n  selfmonitor:platform: docker\n", False),
        ("", False),
    ],
)
def test_the_stack_file_says_what_a_stack_runs_on(tmp_path: Path, text: str, there: bool) -> None:
    assert shop(tmp_path, text).on_kubernetes is there


def test_what_is_left_of_a_stack_without_a_file_is_looked_for_on_docker(tmp_path: Path) -> None:
    assert Project(tmp_path, "shop").on_kubernetes is False


def test_what_only_docker_has_is_refused_elsewhere_with_the_way(tmp_path: Path) -> None:
    project = shop(tmp_path, "config:\n  selfmonitor:platform: kubernetes\n")
    with pytest.raises(UserError) as caught:
        project.must_be_on_docker("restore in place", "restore beside")
    assert str(caught.value) == (
        "restore in place is for Docker, and stack shop runs on Kubernetes: restore beside"
    )
    shop(tmp_path, "").must_be_on_docker("restore in place", "restore beside")
