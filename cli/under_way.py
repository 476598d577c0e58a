"""A recovery that is under way: written down, so that a command that was killed goes on."""

import json
from pathlib import Path
from typing import Any

from cli.errors import UserError
from cli.project import Project


class Note:
    """One JSON file in the stack's folder, there as long as the recovery is not done."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        """None when nothing is under way. Raises UserError when it cannot be read."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self._path} cannot be read ({error}): it says how far a restore is. "
                "Look at the stack with ./selfmonitor status before you delete it"
            ) from None
        if not isinstance(content, dict):
            raise UserError(f"{self._path} says nothing that could be gone on with: delete it")
        return content

    def write(self, content: dict[str, Any]) -> None:
        """On disk before this returns."""
        from standalone.state import replace_file

        replace_file(self._path, json.dumps(content, indent=1).encode())

    def remove(self) -> None:
        """It is done."""
        self._path.unlink(missing_ok=True)


def in_place(project: Project) -> Note:
    """Of a restore in place. See cli.in_place for what it holds."""
    return Note(project.directory / "in-place.json")


def from_backup(project: Project) -> Note:
    """Of an `up --from-backup`: {"asked": as the person wrote it, …cli.from_backup.Beginning}."""
    return Note(project.directory / "from-backup.json")
