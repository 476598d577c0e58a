"""A machine without a Docker Engine that answers: what this user is told to type."""

import shutil

import pytest

from cli.console import Steps
from cli.errors import UserError
from cli.host import docker_engine


@pytest.fixture
def machine(monkeypatch):
    """A machine on which no Engine answers; nothing on it is installed or started."""

    def make(*, root: bool, installed: bool, family: str = "debian") -> None:
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setattr(docker_engine, "connect", lambda: None)
        monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 0 if root else 1000)
        monkeypatch.setattr(docker_engine, "os_family", lambda: family)
        found = {"dockerd": "/usr/sbin/dockerd"} if installed else {}
        monkeypatch.setattr(shutil, "which", found.get)

    return make


def complaint() -> str:
    step = Steps().begin("Docker Engine")
    with pytest.raises(UserError) as raised:
        docker_engine.ensure(step)
    return str(raised.value)


def test_without_docker_and_rights_the_commands_are_told(machine):
    machine(root=False, installed=False)
    text = complaint()
    assert "not installed" in text
    assert "sudo apt-get install -y docker.io iptables" in text


def test_an_engine_that_does_not_run_is_not_installed_again(machine):
    machine(root=False, installed=True)
    text = complaint()
    assert "does not run" in text
    assert "sudo systemctl start docker" in text
    assert "install" not in text.replace("is installed", "")


def test_on_a_distribution_that_is_not_known_root_is_sent_to_the_manual(machine):
    machine(root=True, installed=False, family="alpine")
    text = complaint()
    assert "only Debian and Ubuntu are known" in text
    assert "docs.docker.com" in text


def test_an_engine_elsewhere_that_does_not_answer_is_not_replaced_by_one_here(machine, monkeypatch):
    machine(root=True, installed=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.7:2376")
    text = complaint()
    assert "DOCKER_HOST=tcp://192.0.2.7:2376" in text


def test_a_user_outside_the_docker_group_is_told_how_to_join_it(monkeypatch):
    import docker
    import docker.errors

    def refuse(**arguments):
        raise docker.errors.DockerException("('Connection aborted.', Permission denied)")

    monkeypatch.setattr(docker, "from_env", refuse)
    with pytest.raises(UserError, match=r"usermod -aG docker"):
        docker_engine.connect()


def test_commands_that_only_look_name_the_command_that_starts_it(machine):
    machine(root=True, installed=True)
    with pytest.raises(UserError, match=r"\./selfmonitor up"):
        docker_engine.require()


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"),
        ('ID="fedora"\n', "fedora"),
    ],
)
def test_a_distribution_is_known_by_its_kin(tmp_path, monkeypatch, text, family):
    path = tmp_path / "os-release"
    path.write_text(text)
    monkeypatch.setattr(docker_engine, "Path", lambda name: path)
    assert docker_engine.os_family() == family
