"""What is wanted of the side instance, and what it says of itself.

DATA/side/state.json: what `side restore` left to be served, and "folder": where below DATA/side.
DATA/side.json: {"time": ISO, "state": "none" | "starting" | "running" | "failed",
"folder": str | None, "message": str | None}, from the process that serves it.
"""

from pathlib import Path
from typing import Any

from backup_service import leftover, state

LOCK = "side"
NONE, STARTING, RUNNING, FAILED = "none", "starting", "running", "failed"


def place(data: Path) -> Path:
    """Where restored instances are."""
    return data / "side"


def wanted(data: Path) -> dict[str, Any] | None:
    """What `side restore` left to be served; None: nothing."""
    return state.read(place(data) / "state.json")


def want(data: Path, document: dict[str, Any]) -> None:
    """Replaces it."""
    state.write(place(data) / "state.json", document)


def tell(data: Path, document: dict[str, Any]) -> None:
    """Says how it stands. Raises OSError."""
    state.write(data / "side.json", document, lasting=False)


def told(data: Path) -> dict[str, Any]:
    """What the server says of itself; "none" when it never ran."""
    return state.read(data / "side.json") or {"state": NONE, "folder": None, "message": None}


def tidy(data: Path) -> None:
    """Removes the folders that are not wanted. Only for whoever holds the lock. Raises OSError."""
    keep = (wanted(data) or {}).get("folder")
    for folder in place(data).glob("*/"):
        if folder.is_dir() and folder.name != keep:
            leftover.remove(folder)
