"""The S3 gateway: how it is started, for everybody and for the vault's own use.

Its administrator may do everything but what the object lock forbids. So nobody knows that
identity: each gateway gets a random one at its start, which is nowhere but in that process and in
the one that started it.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = "/usr/local/bin/versitygw"
FILES = Path("/etc/selfmonitor")
DATA = Path("/var/lib/vault")
# In memory.
RUN = Path("/run/vault")

# Under RUN.
IDENTITIES = "identities"

# The name of the administrator, who is the bucket's owner: the same in every gateway.
ADMINISTRATOR = "administrator"
# A gateway that nobody else can reach starts within this time even on a busy machine.
START_SECONDS = 30.0
# An identity that was changed or taken away is the old one for this long.
IDENTITIES_SECONDS = 10
HEALTH = "/health"


class WrongSettings(Exception):
    """What the files of this container say cannot be done. One line that names the file."""


class NoGateway(Exception):
    """A gateway did not start. One line."""


@dataclass(frozen=True)
class Configuration:
    """vault.json.

    policies: identity → what it may: statements as S3 has them, without Effect and Principal, and
    with a Resource that is relative to the bucket: "" (itself), "/*", "/records/*".
    """

    bucket: str
    region: str
    lock_days: int
    port: int
    policies: dict[str, list[dict[str, Any]]]

    @classmethod
    def load(cls) -> "Configuration":
        """Raises WrongSettings."""
        path = FILES / "vault.json"
        found = _object(path)
        try:
            configuration = cls(**{name: found[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise WrongSettings(f"{path} lacks {error}") from None
        if type(configuration.lock_days) is not int or configuration.lock_days < 1:
            raise WrongSettings(f"{path}: lock_days must be a whole number of at least 1")
        for identity, statements in configuration.policies.items():
            for statement in statements:
                for resource in _resources(statement):
                    if resource and not resource.startswith("/"):
                        raise WrongSettings(
                            f'{path}: {identity}: Resource {resource!r} must be "" or begin with /'
                        )
        return configuration

    def policy(self) -> dict[str, Any]:
        """The bucket's policy, as S3 takes it."""
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": [identity]},
                    "Action": statement["Action"],
                    "Resource": [
                        f"arn:aws:s3:::{self.bucket}{resource}"
                        for resource in _resources(statement)
                    ],
                }
                for identity, statements in sorted(self.policies.items())
                for statement in statements
            ],
        }


def _resources(statement: dict[str, Any]) -> list[str]:
    resources = statement["Resource"]
    return [resources] if isinstance(resources, str) else resources


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise WrongSettings(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        # What the parser says may hold a piece of a secret.
        raise WrongSettings(f"{path} is not JSON") from None
    if not isinstance(found, dict):
        raise WrongSettings(f"{path} holds no object")
    return found


def write_identities() -> None:
    """Who may come, as the gateway reads it, in memory. Raises WrongSettings.

    identities.json: {name: secret}.
    """
    identities = _object(FILES / "identities.json")
    if ADMINISTRATOR in identities:
        raise WrongSettings(f"{FILES / 'identities.json'}: {ADMINISTRATOR} must not be in it")
    for name in Configuration.load().policies:
        if name not in identities:
            raise WrongSettings(f"{FILES / 'vault.json'}: {name} is not in identities.json")
    folder = RUN / IDENTITIES
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    accounts = {
        name: {"access": name, "secret": secret, "role": "user"}
        for name, secret in identities.items()
    }
    replace(folder / "users.json", json.dumps({"accessAccounts": accounts}))


def replace(path: Path, text: str) -> None:
    """Whole or not at all, for this user alone."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def start(
    address: str, region: str, *options: str | Path, administrator: str = "", quiet: bool = False
) -> subprocess.Popen[bytes]:
    """A gateway at host:port that ends with this process. administrator: the secret."""
    objects, versions = DATA / "data", DATA / "versions"
    for folder in (objects, versions):
        folder.mkdir(mode=0o700, exist_ok=True)
    return subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *(PROGRAM, "--quiet", "--region", region, "--health", HEALTH, "--port", address),
            *("--iam-dir", str(RUN / IDENTITIES), "--iam-cache-ttl", str(IDENTITIES_SECONDS)),
            *map(str, options),
            *("posix", "--versioning-dir", str(versions), str(objects)),
        ],
        env={
            "PATH": os.environ["PATH"],
            "ROOT_ACCESS_KEY": ADMINISTRATOR,
            "ROOT_SECRET_KEY": administrator or secrets.token_urlsafe(32),
        },
        stdin=subprocess.DEVNULL,
        # What it says of itself belongs to the log, which is standard error.
        stdout=subprocess.DEVNULL if quiet else sys.stderr,
    )


@contextlib.contextmanager
def private(region: str) -> Iterator[tuple[str, str]]:
    """A gateway of one's own: its endpoint and the administrator's secret. Raises NoGateway."""
    secret = secrets.token_urlsafe(32)
    address = f"127.0.0.1:{_free_port()}"
    process = start(address, region, administrator=secret, quiet=True)
    try:
        _wait(process, f"http://{address}")
        yield f"http://{address}", secret
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NoGateway(f"the gateway ended with status {process.returncode}: see above")
        with contextlib.suppress(OSError), urllib.request.urlopen(endpoint + HEALTH, timeout=1):
            return
        time.sleep(0.1)
    raise NoGateway(f"the gateway did not answer within {START_SECONDS:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def client(endpoint: str, region: str, secret: str) -> Any:
    """The administrator's S3 client."""
    # Some 40 MB that those who run for long do not need.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ADMINISTRATOR,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )
