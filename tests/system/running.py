"""A stack of the system tests, driven by the command a person types."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import psycopg
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]
# Far above what anything here takes on an idle machine.
COMMAND_SECONDS = 600
REDIS_PORT, SENTINEL_PORT = 6379, 26379


class Stack:
    """One stack with a stack file of its own."""

    def __init__(self, name: str, file: str) -> None:
        self.name = name
        self.file = ROOT / "tests" / "system" / file
        self.client = docker.from_env()
        self.state_file = ROOT / ".selfmonitor" / name / "state.json"

    def command(self, *arguments: str, file: Path | None = None) -> list[str]:
        """The command line of `selfmonitor`, in the environment the tests run in."""
        options = ["-s", self.name, "--config-file", str(file or self.file)]
        return [sys.executable, "-m", "cli", *options, *arguments]

    def environment(self) -> dict[str, str]:
        """The tests' own, with the project to be found and no colours."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

    def run(
        self, *arguments: str, file: Path | None = None, seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self.command(*arguments, file=file),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command and does not wait."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ok(self, *arguments: str) -> str:
        """Runs a command that must succeed; its standard output."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """`status -o json`."""
        result: dict[str, Any] = json.loads(self.run("status", "-o", "json").stdout)
        return result

    def becomes_healthy(self, seconds: float = 60) -> bool:
        """Whether `status` says healthy within a time: Docker looks only every few seconds."""
        deadline = time.monotonic() + seconds
        while not (healthy := self.run("status").returncode == 0) and time.monotonic() < deadline:
            time.sleep(1)
        return healthy

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets included."""
        result: dict[str, Any] = json.loads(self.state_file.read_text())["outputs"]
        return result

    def secrets(self) -> list[str]:
        """Every password and the body of every private key of the stack."""
        found = []
        for resource in json.loads(self.state_file.read_text())["resources"].values():
            outputs = resource["outputs"]
            if "result" in outputs:
                found.append(outputs["result"])
            if "privateKeyPem" in outputs:
                found.append(outputs["privateKeyPem"].splitlines()[1])
        return found

    def password(self, resource: str) -> str:
        """The generated password of a resource by its name, e.g. redis-password-monitor."""
        resources = json.loads(self.state_file.read_text())["resources"]
        (key,) = (urn for urn in resources if urn.endswith(f"::{resource}"))
        found: str = resources[key]["outputs"]["result"]
        return found

    def containers(self, role: str | None = None) -> dict[str, Any]:
        """{name: container} of the stack, e.g. of role “server”, where the name is the member's."""
        labels = [f"io.selfmonitor.stack={self.name}"]
        if role is not None:
            labels.append(f"io.selfmonitor.role={role}")
        found = self.client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return {each.name.removeprefix(f"selfmonitor-{self.name}-"): each for each in found}

    def address(self, member: str, segment: str) -> str:
        """The member's address in a segment."""
        declared = self.containers("server")[member].labels["io.selfmonitor.addresses"]
        address: str = json.loads(declared)[f"selfmonitor-{self.name}-{segment}"]
        return address

    def connect(self, **changes: str) -> psycopg.Connection[Any]:
        """As the application does, through the first router, except for `changes`."""
        outputs = self.outputs()
        endpoint = outputs["postgres_endpoints"]["read_write"][0]
        arguments: dict[str, Any] = {
            "host": endpoint["host"],
            "port": str(int(endpoint["port"])),
            "user": "user",
            "password": outputs["postgres_passwords"]["user"],
            "dbname": "db_user_profile",
            "sslmode": "verify-full",
            "sslrootcert": str(self.state_file.parent / "ca.crt"),
            "connect_timeout": 10,
            "autocommit": True,
        }
        return psycopg.connect(**{**arguments, **changes})

    def redis(self, member: str | None = None, **changes: Any) -> Redis:
        """As the application does, through the first router, except for `changes`.

        `member`: to that Redis member or Sentinel itself. It connects when it is first used, and
        tries nothing twice.
        """
        outputs = self.outputs()
        files = self.state_file.parent
        arguments: dict[str, Any] = {
            "username": "application",
            "password": outputs["redis_password"],
            "ssl": True,
            "ssl_ca_certs": str(files / "ca.crt"),
            "socket_connect_timeout": 2,
            "socket_timeout": 10,
            "retry": Retry(NoBackoff(), 0),
            # No handshake but the password: not every user here may do more.
            "protocol": 2,
            "driver_info": None,
            "decode_responses": True,
        }
        if member is None:
            endpoint = outputs["redis_endpoints"]["read_write"][0]
            arguments |= {"host": endpoint["host"], "port": int(endpoint["port"])}
        else:
            arguments |= {
                "host": self.address(member, "cache"),
                "port": SENTINEL_PORT if member.startswith("sentinel") else REDIS_PORT,
                "ssl_certfile": str(files / "application.crt"),
                "ssl_keyfile": str(files / "application.key"),
            }
        return Redis(**{**arguments, **changes})

    def writes_to_redis(self, seconds: float = 60) -> bool:
        """Whether a write through the first router is accepted within a time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.redis() as client:
                    return bool(client.set("systest:accepted", 1, px=1))
            except RedisError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.2)

    def kill_at_once(self, names: Iterable[str]) -> None:
        """SIGKILL to servers' containers; returns when all are gone. They stay down."""
        servers = self.containers("server")
        chosen = [servers[name] for name in names]

        def kill(container: Any) -> None:
            container.kill()
            container.wait(timeout=30)

        with ThreadPoolExecutor(max_workers=len(chosen)) as pool:
            list(pool.map(kill, chosen))

    def probe(
        self,
        script: str,
        *,
        network: str | None,
        volumes: Sequence[str] = (),
        hosts: dict[str, str] | None = None,
        image_of: str = "postgres-1",
    ) -> tuple[int, str]:
        """Runs a shell script in a container of its own; its exit status and output.

        It has the tools of a member's image and none of its certificates, unless a member's files
        are mounted (`volumes`, at /files).
        """
        image = self.containers("server")[image_of].image.id
        container = self.client.containers.create(
            image,
            command=["/bin/sh", "-c", script],
            network=network,
            extra_hosts=hosts or {},
            volumes={name: {"bind": "/files", "mode": "ro"} for name in volumes},
            labels={"io.selfmonitor.test": self.name},
        )
        try:
            container.start()
            status = int(container.wait(timeout=60)["StatusCode"])
            return status, container.logs().decode(errors="replace")
        finally:
            container.remove(force=True)

    def reach(self, network: str, targets: Iterable[tuple[str, int]]) -> list[str]:
        """“open” or “closed” for each (address, port), tried from a container in a network."""
        script = "".join(
            f"(timeout 3 bash -c 'echo > /dev/tcp/{address}/{port}' 2>/dev/null"
            f" && echo {number} open || echo {number} closed) & "
            for number, (address, port) in enumerate(targets)
        )
        lines = [
            line.split() for line in self.probe(f"{script}wait", network=network)[1].splitlines()
        ]
        return [word for _, word in sorted(lines, key=lambda line: int(line[0]))]

    @contextmanager
    def network(self, segment: str | None) -> Iterator[str]:
        """A segment's network, by name; None: one of its own, that nobody else is in."""
        if segment is not None:
            yield f"selfmonitor-{self.name}-{segment}"
            return
        name = f"selfmonitor-{self.name}-stranger"
        network = self.client.networks.create(name)
        try:
            yield name
        finally:
            network.remove()
