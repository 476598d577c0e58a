"""What a stack must not forget: generated passwords, keys and certificates."""

import contextlib
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

VERSION = 1


class StateError(Exception):
    """A state file that cannot be used: why, where it is, and what to do."""


class State:
    """One JSON file of mode 0600, replaced atomically at every change.

    resources: URN → {"type": str, "inputs": {property: hash}, "outputs": {...}}. Outputs are kept
    only for what cannot be asked again: random values, keys and certificates.
    outputs: the stack's own.
    """

    def __init__(self, path: Path, project: str, stack: str) -> None:
        """Reads the file if there is one. Raises StateError."""
        self.path = path
        self._identity = {"version": VERSION, "project": project, "stack": stack}
        self._lock = threading.Lock()
        self.resources: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, Any] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        advice = f"put back a good copy (the one before is {self.previous.name}, if it is there)"
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            identity = {key: content[key] for key in self._identity}
            resources, outputs = content["resources"], content["outputs"]
            if not isinstance(resources, dict) or not isinstance(outputs, dict):
                raise ValueError("resources and outputs must be mappings")
            for urn, entry in resources.items():
                if not _is_entry(entry):
                    raise ValueError(f"the entry of {urn} is not one")
        except OSError as error:
            raise StateError(f"{self.path}: cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise StateError(f"{self.path}: the state file is corrupt ({what}): {advice}") from None
        for key, expected in self._identity.items():
            if identity[key] != expected:
                raise StateError(
                    f"{self.path}: belongs to {key} {identity[key]}, not {expected}: {advice}"
                )
        self.resources, self.outputs = resources, outputs

    @property
    def previous(self) -> Path:
        """The copy made before this run's first change."""
        return self.path.with_suffix(".previous.json")

    def record(self, urn: str, entry: dict[str, Any]) -> None:
        """Remembers a resource. On disk before this returns."""
        with self._lock:
            if self.resources.get(urn) != entry:
                self.resources[urn] = entry
                self._write()

    def set_outputs(self, outputs: dict[str, Any]) -> None:
        """Remembers the stack's outputs."""
        with self._lock:
            if self.outputs != outputs:
                self.outputs = outputs
                self._write()

    def forget_all_but(self, urns: set[str]) -> None:
        """Drops resources the program no longer declares."""
        with self._lock:
            gone = self.resources.keys() - urns
            if gone:
                for urn in gone:
                    del self.resources[urn]
                self._write()

    def begin(self) -> None:
        """Before the first change: keeps a copy of the file as it is, or makes an empty one, so
        that data never exists without a state file beside it.
        """
        with self._lock:
            # Left by a run that was killed while it wrote: they hold secrets and help nobody.
            for stale in self.path.parent.glob(f".{self.path.stem}*.json.*"):
                stale.unlink(missing_ok=True)
            if self.path.exists():
                replace_file(self.previous, self.path.read_bytes())
            else:
                self._write()

    def _write(self) -> None:
        content = {**self._identity, "resources": self.resources, "outputs": self.outputs}
        text = json.dumps(content, indent=1, sort_keys=True)
        replace_file(self.path, text.encode())


def _is_entry(entry: Any) -> bool:
    """Whether this could have been recorded: a type, hashes of inputs, and outputs."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("type"), str)
        and isinstance(entry.get("inputs"), dict)
        and isinstance(entry.get("outputs"), dict)
    )


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600 whole or not at all, and durably."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
