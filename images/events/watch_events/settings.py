"""What this program is told: events.json and the files beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = Path("/etc/selfmonitor")
JOURNAL = Path("/var/lib/events/events.jsonl")


@dataclass(frozen=True)
class Sentinel:
    """Where one Sentinel is."""

    name: str
    host: str
    port: int


@dataclass(frozen=True)
class Settings:
    """redis_members: address → name. service: what the Sentinels call the replication group."""

    listen_port: int
    sentinels: tuple[Sentinel, ...]
    redis_members: dict[str, str]
    service: str
    postgres_members: tuple[str, ...]
    rest_port: int


def parse(found: dict[str, Any]) -> Settings:
    """Raises KeyError or TypeError: it was not written by this project."""
    return Settings(
        listen_port=found["listen_port"],
        sentinels=tuple(Sentinel(**each) for each in found["sentinels"]),
        redis_members=found["redis_members"],
        service=found["service"],
        postgres_members=tuple(found["postgres_members"]),
        rest_port=found["rest_port"],
    )


def load(files: Path) -> Settings:
    """From events.json in the folder."""
    return parse(json.loads((files / "events.json").read_text(encoding="utf-8")))
