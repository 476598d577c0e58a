"""Keeps the side instance running: what was restored last, for as long as it is wanted.

What is wanted and what is so: see side_state.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from backup_service import jobs, times
from backup_service.errors import Terminated, WrongInput
from backup_service.recover import RecoverFailed
from backup_service.server_files import Listen
from backup_service.settings import DATA, FILES, Settings
from backup_service.side_state import (
    FAILED,
    LOCK,
    NONE,
    RUNNING,
    STARTING,
    place,
    tell,
    tidy,
    wanted,
)
from backup_service.throwaway import BIN, Throwaway

LOOK_SECONDS = 0.5
# The container counts as ready while its state is younger than a minute.
TELL_SECONDS = 10.0
# Between two attempts to start what does not start.
AGAIN_SECONDS = (1.0, 5.0, 30.0, 60.0)


def serve(settings: Settings, data: Path = DATA, files: Path = FILES, bin_dir: Path = BIN) -> int:
    """Runs until SIGTERM. SIGHUP: the certificate is read again."""
    if settings.side is None:
        raise WrongInput("backup.json has no port for a side instance")
    place(data).mkdir(mode=0o700, parents=True, exist_ok=True)
    service = _Service(data, bin_dir, Listen(settings.side.port, files))
    try:
        with _signals(service):
            # What a restore that was killed has left, unless one is under way.
            with contextlib.suppress(jobs.AlreadyRunning, OSError), jobs.locked(LOCK, data):
                tidy(data)
            while True:
                service.step()
                time.sleep(LOOK_SECONDS)
    except Terminated:
        return 0
    finally:
        service.stop()


class _Service:
    """One instance at most."""

    def __init__(self, data: Path, bin_dir: Path, listen: Listen) -> None:
        self.reload = False
        self._data = data
        self._bin = bin_dir
        self._listen = listen
        self._folder: str | None = None
        self._server: Throwaway | None = None
        self._failures = 0
        self._next = 0.0
        self._message: str | None = None
        self._told: tuple[object, ...] = ()
        self._told_at = float("-inf")

    def step(self) -> None:
        """Brings what is closer to what is wanted; tells how it stands."""
        folder = (wanted(self._data) or {}).get("folder")
        if folder != self._folder:
            self.stop()
            self._folder, self._failures, self._next, self._message = folder, 0, 0.0, None
        if self._server is not None and not self._server.running:
            self._failed("the server ended: " + " ".join(self._server.log_tail[-2:]))
        if self._folder and self._server is None and time.monotonic() >= self._next:
            self._start(self._folder)
        if self.reload and self._server is not None:
            self._server.reload()
        self.reload = False
        self._tell()

    def _start(self, folder: str) -> None:
        self._tell(STARTING)
        server = Throwaway(
            place(self._data) / folder / "data",
            bin_dir=self._bin,
            listen=self._listen,
            durable=True,
        )
        try:
            server.start("promote")
        except RecoverFailed as error:
            self._failed(str(error))
        else:
            _log(f"{folder} listens on port {self._listen.port}")
            self._server, self._failures, self._message = server, 0, None

    def _failed(self, message: str) -> None:
        self._server = None
        pause = AGAIN_SECONDS[min(self._failures, len(AGAIN_SECONDS) - 1)]
        self._failures += 1
        self._next = time.monotonic() + pause
        self._message = message
        _log(f"{message}; tried again in {pause:.0f} s")

    def stop(self) -> None:
        """Ends the server in order."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _tell(self, now: str | None = None) -> None:
        if now is None:
            now = RUNNING if self._server else FAILED if self._folder else NONE
        found = (now, self._folder, self._message)
        if found == self._told and time.monotonic() - self._told_at < TELL_SECONDS:
            return
        document = {
            "time": times.iso(times.now()),
            "state": now,
            "folder": self._folder,
            "message": self._message,
        }
        try:
            tell(self._data, document)
        except OSError as error:
            # A full disk: whoever waits sees that it is told no more.
            _log(f"its state cannot be written: {error}")
        else:
            self._told, self._told_at = found, time.monotonic()


@contextlib.contextmanager
def _signals(service: _Service) -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        # Once: a second one must not break off the orderly end.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    def renew(number: int, frame: FrameType | None) -> None:
        service.reload = True

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
        signal.SIGHUP: signal.signal(signal.SIGHUP, renew),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(message: str) -> None:
    sys.stderr.write(f"side: {message}\n")
    sys.stderr.flush()
