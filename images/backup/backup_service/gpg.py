"""Encrypts and decrypts streams with gpg: AES-256 under a key that never leaves this machine."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from backup_service.pipeline import Program

# 65,011,712 is the most a packet can say: some tenths of a second for each key that is tried.
SYMMETRIC = (
    *("--symmetric", "--cipher-algo", "AES256", "--s2k-digest-algo", "SHA512"),
    *("--s2k-count", "65011712", "--compress-algo", "none"),
)
# More than gpg ever tells of one stream.
STATUS_BYTES = 64 * 1024


class GpgError(Exception):
    """What failed, in one line. Never the key."""


@contextlib.contextmanager
def encrypted(source: BinaryIO, key: Path) -> Iterator[BinaryIO]:
    """A stream of `source` encrypted with the text in the file `key`.

    Reading it raises GpgError when gpg fails, and whatever reading `source` raises: its end is
    only reached when all of `source` was encrypted.
    """

    def explain(status: int, complaint: str, _: str) -> GpgError:
        return GpgError(f"gpg could not encrypt (exit status {status}): {complaint}")

    with _gpg(SYMMETRIC, source, key, _End("END_ENCRYPTION", explain)) as stream:
        yield stream


@contextlib.contextmanager
def decrypted(source: BinaryIO, key: Path, what: str) -> Iterator[BinaryIO]:
    """A stream of what `source` was before it was encrypted. `what` names it in errors.

    Nothing of what was read may be relied on before the end is reached: it raises GpgError, which
    says whether the key is wrong or the data is damaged, as late as there.
    """

    def explain(_: int, complaint: str, told: str) -> GpgError:
        if "BAD_PASSPHRASE" in told or "Bad session key" in complaint:
            return GpgError(f"wrong key for {what}: it was encrypted with another one than {key}")
        return GpgError(f"{what} is truncated or damaged: {complaint or 'gpg found no end of it'}")

    with _gpg(("--decrypt",), source, key, _End("DECRYPTION_OKAY", explain)) as stream:
        yield stream


class _Checked(Program):
    """gpg; its end is good only if it exits with 0 and has said what is needed."""

    def __init__(
        self, command: list[str], source: BinaryIO, fds: list[int], told: IO[bytes], end: "_End"
    ) -> None:
        self._told = told
        self._judge = end
        super().__init__(command, self._because, source, fds)

    def _said(self) -> str:
        # Its descriptor is gpg's own as well, and so is the position in it.
        return os.pread(self._told.fileno(), STATUS_BYTES, 0).decode(errors="replace")

    def _because(self, status: int, complaint: str) -> Exception:
        return self._judge.explain(status, complaint, self._said())

    def _end(self) -> None:
        super()._end()
        # Text that was never encrypted passes through gpg with a good exit status.
        if self._judge.needed not in self._said():
            raise self._because(0, self.complaint())


@dataclass(frozen=True)
class _End:
    """What gpg must have told to be believed, and (exit status, stderr, told) -> the error."""

    needed: str
    explain: Callable[[int, str, str], GpgError]


@contextlib.contextmanager
def _gpg(words: tuple[str, ...], source: BinaryIO, key: Path, end: _End) -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp"))
        told = stack.enter_context(tempfile.TemporaryFile())
        secret = _secret(key)
        try:
            command = [
                *("gpg", "--homedir", home, "--batch", "--no-tty", "--quiet", "--no-autostart"),
                *("--pinentry-mode", "loopback", "--no-symkey-cache"),
                *("--passphrase-fd", str(secret), "--status-fd", str(told.fileno()), *words),
            ]
            program = _Checked(command, source, [secret, told.fileno()], told, end)
        finally:
            os.close(secret)
        yield stack.enter_context(program.whole_reads())


def _secret(key: Path) -> int:
    """A pipe that holds the key: no argument, no environment, no file of gpg's shows it."""
    try:
        text = key.read_bytes().strip()
    except OSError as error:
        raise GpgError(f"the key {key} cannot be read: {error.strerror}") from None
    if not text or b"\n" in text:
        raise GpgError(f"the key {key} is not one line of text")
    reading, writing = os.pipe()
    os.write(writing, text + b"\n")
    os.close(writing)
    return reading
