"""The newest of what is stored in folders with a manifest, taken out of the vault and checked."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backup_service.records import OK, newest_in_vault
from backup_service.storage import Storage

if TYPE_CHECKING:
    from backup_service.pipeline import Measured

CHUNK = 1024 * 1024
MANIFEST = "manifest.json"


class NothingStored(Exception):
    """One line; due: there should be something."""

    def __init__(self, message: str, due: bool) -> None:
        super().__init__(message)
        self.due = due


@dataclass(frozen=True, slots=True)
class Part:
    """One encrypted object, as its manifest describes it."""

    key: str
    bytes: int
    sha256: str


def newest(vault: Storage, kind: str) -> tuple[str, dict[str, Any]]:
    """(folder, manifest) of the newest that is whole. kind: logical or redis, which is also where.

    Raises NothingStored, ValueError for a manifest that is none, and the vault's own error.
    """
    names = [each.rstrip("/").rpartition("/")[2] for each in vault.folders(f"{kind}/")]
    for name in sorted(names, reverse=True):
        folder = f"{kind}/{name}/"
        key = folder + MANIFEST
        if any(each.key == key for each in vault.list(key)):
            found = json.loads(vault.get(key))
            if not isinstance(found, dict):
                raise ValueError(f"{key} is no manifest")
            return folder, found
    made = any(each.result == OK for each in newest_in_vault(vault, kind))
    if made or names:
        raise NothingStored(f"there is none in the vault, though {kind} runs are on record", True)
    raise NothingStored("none was made yet", False)


def decrypt(
    vault: Storage,
    part: Part,
    secret: Path,
    sink: Callable[[bytes], object],
    on_bytes: Callable[[int], None] | None = None,
) -> list[str]:
    """Feeds what the object held before it was encrypted to `sink`; what was wrong with it.

    on_bytes is told how much of the object was read. Raises the vault's own error, and what
    `sink` raises.
    """
    from backup_service.gpg import GpgError, decrypted
    from backup_service.pipeline import Measured

    wrong: list[str] = []
    with vault.open(part.key) as stored:
        source = Measured(stored, on_bytes)
        try:
            with decrypted(source.whole_reads(), secret, part.key) as plain:
                while chunk := plain.read(CHUNK):
                    sink(chunk)
        except GpgError as error:
            wrong.append(str(error))
    if wrong:
        # gpg stops at the first thing that is wrong: what is stored is looked at once more, whole.
        with vault.open(part.key) as stored:
            source = Measured(stored)
            while source.read(CHUNK):
                pass
    # What gpg said of it follows from what is stored being something else.
    return _difference(source, part) or wrong


def _difference(source: "Measured", part: Part) -> list[str]:
    if source.bytes < part.bytes:
        return [f"{part.key} is truncated: {source.bytes} of {part.bytes} bytes"]
    if source.sha256 != part.sha256:
        return [f"{part.key} is not what was stored: its sha256 is not the manifest's"]
    return []
