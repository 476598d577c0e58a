"""Puts an encrypted stream into the vault and tells what was put there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backup_service.gpg import encrypted
from backup_service.pipeline import Measured
from backup_service.storage import Storage


@dataclass(frozen=True)
class Stored:
    """bytes, sha256: of the object, which is encrypted. plain_*: of what was encrypted."""

    key: str
    bytes: int
    sha256: str
    plain_bytes: int
    plain_sha256: str


def store(
    vault: Storage,
    key: str,
    source: BinaryIO,
    secret: Path,
    on_bytes: Callable[[int], None] | None = None,
) -> Stored:
    """Streams `source` into the object `key`, encrypted with the text in the file `secret`.

    on_bytes is told how much of `source` was read so far. Raises GpgError, what the vault raises,
    and whatever reading `source` raises: then there is no object, or one that nothing refers to.
    """
    plain = Measured(source, on_bytes)
    with encrypted(plain.whole_reads(), secret) as stream:
        cipher = Measured(stream)
        vault.upload(key, cipher.whole_reads())
    return Stored(key, cipher.bytes, cipher.sha256, plain.bytes, plain.sha256)


def read_back(vault: Storage, folder: str, stored: list[Stored]) -> list[dict[str, Any]]:
    """What a record's `verified` says of them: each is in the vault with the size it was sent."""
    sizes = {each.key: each.size for each in vault.list(folder)}
    return [
        {
            "what": f"{each.key} is in the vault",
            "result": sizes.get(each.key) == each.bytes,
            "detail": f"{sizes.get(each.key)} of {each.bytes} bytes",
        }
        for each in stored
    ]
