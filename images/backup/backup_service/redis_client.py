"""How this service reaches Redis: which member is what, over TLS, verified both ways."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backup_service.settings import FILES, Settings

CANARY = "selfmonitor:canary"

ANSWER_SECONDS = 5.0


class NoPrimary(Exception):
    """Nobody says that it is the primary, or two do; in one line."""


@dataclass(frozen=True)
class Member:
    """What one that answered says of itself. offset: bytes of its history, or of its primary's."""

    name: str
    address: str
    role: str
    in_step: bool
    offset: int
    version: str


def connect(
    settings: Settings,
    address: str,
    user: str,
    password_file: str,
    files: Path = FILES,
    seconds: float = ANSWER_SECONDS,
    database: int = 0,
) -> Any:
    """A client that never tries twice; answers are bytes. Raises OSError."""
    return redis.Redis(
        db=database,
        host=address,
        port=settings.redis.port,
        username=user,
        password=(files / password_file).read_text(encoding="utf-8").strip(),
        ssl=True,
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
        ssl_ca_certs=str(files / "ca.crt"),
        ssl_certfile=str(files / "tls.crt"),
        ssl_keyfile=str(files / "tls.key"),
        protocol=2,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


def look(name: str, address: str, client: Any) -> Member:
    """Raises redis.RedisError."""
    found = client.info("replication")
    role = str(found["role"])
    primary = role == "master"
    return Member(
        name=name,
        address=address,
        role="primary" if primary else "replica",
        in_step=primary
        or (found.get("master_link_status") == "up" and not found.get("master_sync_in_progress")),
        offset=int(found["master_repl_offset" if primary else "slave_repl_offset"]),
        version=str(client.info("server")["redis_version"]),
    )


def look_at_all(
    settings: Settings, user: str, password_file: str, files: Path = FILES
) -> tuple[list[Member], list[str]]:
    """Those that answer, and what is wrong with the others, a line each."""
    members, troubles = [], []
    for name, address in settings.redis.members.items():
        try:
            with connect(settings, address, user, password_file, files) as client:
                members.append(look(name, address, client))
        except (redis.RedisError, OSError, KeyError) as error:
            troubles.append(f"{name}: {' '.join(str(error).split())}")
    return members, troubles


def primary_of(members: list[Member], troubles: list[str]) -> Member:
    """Raises NoPrimary."""
    found = [each for each in members if each.role == "primary"]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(each.name for each in found)
        raise NoPrimary(f"{names} both say they are the primary of Redis: see status")
    raise NoPrimary(f"Redis has no primary: {'; '.join(troubles) or 'all are replicas'}")
