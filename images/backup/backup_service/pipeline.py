"""A program whose output is read. That it failed is an error of the read, never the data's end.

So whoever copies the output elsewhere cannot take half of it for the whole.
"""

import hashlib
import io
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, cast

CHUNK = 1024 * 1024
# Between the last byte of a program's output and its end.
END_SECONDS = 60
# What is kept of what a program says when it fails; one line is made of it.
COMPLAINT_BYTES = 4096

# (exit status, what it wrote to stderr) -> what is raised.
Explain = Callable[[int, str], Exception]


class Measured(io.RawIOBase):
    """Counts and hashes what is read through it."""

    def __init__(self, source: BinaryIO, on_bytes: Callable[[int], None] | None = None) -> None:
        self._source = source
        self._on_bytes = on_bytes
        self._hash = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """Hex; of what was read so far."""
        return self._hash.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self._hash.update(data)
        self.bytes += len(data)
        if data and self._on_bytes is not None:
            self._on_bytes(self.bytes)
        return len(data)

    def whole_reads(self) -> BinaryIO:
        """As a stream whose read(n) is short at the end alone, which multipart uploads rely on."""
        return cast(BinaryIO, io.BufferedReader(self, CHUNK))


class Program(io.RawIOBase):
    """The standard output of a program, fed from `source` if there is one. Close it.

    Reading raises what `explain` makes of the program's end when that was no good one, or what
    reading `source` raised.
    """

    def __init__(
        self,
        command: Sequence[str],
        explain: Explain,
        source: BinaryIO | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._explain = explain
        self._source = source
        self._failure: BaseException | None = None
        self._feeder: threading.Thread | None = None
        # A file: a pipe that nobody reads until the end could stop the program.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if source is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                pass_fds=pass_fds,
                bufsize=0,
            )
        except BaseException:
            self._complaints.close()
            raise
        if source is not None:
            self._feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
            self._feeder.start()

    def _feed(self) -> None:
        assert self._source is not None
        assert self._process.stdin is not None
        try:
            while data := self._source.read(CHUNK):
                rest = memoryview(data)
                while rest:
                    rest = rest[self._process.stdin.write(rest) :]
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # It ended before its input did: its own status says why.
        except BaseException as error:  # noqa: BLE001 - told to whoever reads
            self._failure = error
            # Its input is not whole: what it made of it must not look finished.
            self._process.kill()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        assert self._process.stdout is not None
        count: int = self._process.stdout.readinto(buffer)  # type: ignore[attr-defined]
        if count == 0:
            self._end()
        return count

    def _end(self) -> None:
        if self._feeder is not None:
            self._feeder.join(END_SECONDS)
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._failure is not None:
            raise self._failure
        if status != 0:
            raise self._explain(status, self.complaint())

    def complaint(self) -> str:
        """The end of what the program wrote to stderr, in one line."""
        size = self._complaints.seek(0, io.SEEK_END)
        self._complaints.seek(max(0, size - COMPLAINT_BYTES))
        return " ".join(self._complaints.read().decode(errors="replace").split())

    def whole_reads(self) -> BinaryIO:
        """As a stream whose read(n) is short at the end alone."""
        return cast(BinaryIO, io.BufferedReader(self, CHUNK))

    def close(self) -> None:
        """Ends the program if it still runs."""
        if self.closed:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._feeder is not None:
            # It may wait for its source; that one's own end frees it.
            self._feeder.join(1)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not (pipe is self._process.stdin and self._feeding()):
                pipe.close()
        self._complaints.close()
        super().close()

    def _feeding(self) -> bool:
        return self._feeder is not None and self._feeder.is_alive()
