"""Small JSON files that say what a process does now: written whole or not at all."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, document: dict[str, Any], *, lasting: bool = True) -> None:
    """Replaces the file; mode 0600. lasting: it must outlive a power cut. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document) + "\n")
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    if lasting:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> dict[str, Any] | None:
    """None when there is none, or nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """Every state a container's processes have written: file name without .json → content."""
    found = {path.stem: read(path) for path in sorted(folder.glob("[!.]*.json"))}
    return {name: content for name, content in found.items() if content is not None}
