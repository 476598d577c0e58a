"""Finds Docker Engine; on Debian and Ubuntu, as root, installs and starts it."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cli.console import Step
from cli.errors import OperationFailed, UserError

if TYPE_CHECKING:
    import docker

START_SECONDS = 60
INSTALL_SECONDS = 900
LOG_FILE = Path("/var/log/dockerd.log")
INSTALL_COMMANDS = "sudo apt-get update && sudo apt-get install -y docker.io iptables"


def connect() -> "docker.DockerClient | None":
    """A client of an Engine that answers, or None. Raises UserError when it may not be used."""
    import docker
    import docker.errors

    try:
        client = docker.from_env(timeout=120)
        client.ping()
        return client
    except docker.errors.DockerException as error:
        if "Permission denied" in str(error):
            raise UserError(
                "Docker Engine runs but this user may not use it: "
                "sudo usermod -aG docker $USER, log in again, and run the same command"
            ) from None
        return None


def require() -> "docker.DockerClient":
    """A client of the Engine, for commands that only look. Raises UserError without one."""
    client = connect()
    if client is None:
        raise UserError(
            "Docker Engine does not answer: ./selfmonitor up installs and starts it, "
            "./selfmonitor doctor says what is wrong"
        )
    return client


def os_family() -> str:
    """“debian” for Debian, Ubuntu and their kin, otherwise the distribution's own id."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    kin = [values.get(key, "").strip('"') for key in ("ID", "ID_LIKE")]
    return "debian" if {"debian", "ubuntu"} & set(" ".join(kin).split()) else kin[0] or "unknown"


def ensure(step: Step) -> "docker.DockerClient":
    """A client of the Engine, installed and started if need be.

    Raises UserError with the commands to type where this user cannot, OperationFailed when an
    installation or start does not work.
    """
    client = connect()
    if client is None:
        if os.environ.get("DOCKER_HOST"):
            raise UserError(
                f"no Docker Engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}: "
                "start it, or unset DOCKER_HOST to use this machine's own"
            )
        installed = shutil.which("dockerd") is not None
        if os.geteuid() != 0:
            raise UserError(
                "Docker Engine is installed but does not run: sudo systemctl start docker"
                if installed
                else f"Docker Engine is not installed: {INSTALL_COMMANDS}"
            )
        if not installed:
            _install(step)
        client = connect() or _start(step)
    version = client.version()["Version"]
    step.remark(version)
    return client


def run_apt(step: Step, *arguments: str) -> None:
    """apt-get, without questions; raises OperationFailed with its last lines."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    process = subprocess.Popen(
        ["apt-get", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        step.update(line)
    if process.wait(timeout=INSTALL_SECONDS):
        raise OperationFailed(f"apt-get {' '.join(arguments)} failed", tuple(lines[-12:]))


def install_packages(step: Step, *packages: str) -> None:
    """Installs Debian packages; finishes first what a killed run left half configured."""
    subprocess.run(
        ["dpkg", "--configure", "-a"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    run_apt(step, "update")
    run_apt(step, "install", "-y", "--no-install-recommends", *packages)


def _has_package(name: str) -> bool:
    shown = subprocess.run(["apt-cache", "show", name], capture_output=True, text=True, check=False)
    return shown.returncode == 0 and bool(shown.stdout.strip())


def _install(step: Step) -> None:
    if os_family() != "debian":
        raise UserError(
            "Docker Engine is not installed, and only Debian and Ubuntu are known here: "
            "see https://docs.docker.com/engine/install/ and run the same command again"
        )
    install_packages(step, "docker.io", "iptables")
    # Newer Debian keeps the client in a package of its own.
    if shutil.which("docker") is None and _has_package("docker-cli"):
        run_apt(step, "install", "-y", "--no-install-recommends", "docker-cli")


def _start(step: Step) -> "docker.DockerClient":
    step.update("starting it")
    if Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
    else:
        # No init system, as in a bare machine or a container: it runs on by itself.
        with LOG_FILE.open("ab") as log:
            subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = connect()
        if client is not None:
            return client
        time.sleep(0.5)
    lines: tuple[str, ...] = ()
    if LOG_FILE.exists():
        lines = tuple(LOG_FILE.read_text(errors="replace").splitlines()[-12:])
    raise OperationFailed(f"Docker Engine did not start within {START_SECONDS} s", lines)
