"""Which image a platform that pulls images is to pull."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platforms.image_context import folders, image_context, project_name
from settings.errors import SettingsError
from settings.unfilled import is_unfilled

LOCK = "images.lock.json"


class ImageReferences:
    """What stands for the image of a folder of images/.

    With a registry: the digest that was pushed, as the lock file has it, and only if it was made
    of what the folder holds now. With one that is still to be filled in, to which nobody can have
    pushed: the name and tag that there would be. Without one: the local name and tag, which must
    be on the nodes.

    The lock file: {"images": {folder: {"name": what the project calls it (project_name), "digest":
    "sha256:…"}}}. Raises SettingsError for one that is missing, unreadable or of other images.
    """

    def __init__(self, root: Path, registry: str | None) -> None:
        if registry is None:
            self._references = {each: image_context(root, each).name for each in folders(root)}
            return
        names = {each: project_name(root, each) for each in folders(root)}
        if is_unfilled(registry):
            self._references = {
                folder: f"{registry}/{name.rpartition('/')[2]}" for folder, name in names.items()
            }
            return
        pushed = read_lock(root)
        self._references = {
            folder: f"{registry}/{folder}@{_digest(pushed, folder, name)}"
            for folder, name in names.items()
        }

    def of(self, folder: str) -> str:
        """The reference of one image."""
        return self._references[folder]


def read_lock(root: Path) -> Mapping[str, Any]:
    """{folder: its entry} of the lock file. Raises SettingsError."""
    path = root / LOCK
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["images"]
    except FileNotFoundError:
        raise SettingsError(
            f"kubernetes.registry is given, but there is no {path.name}, which says what was "
            "pushed to it: ./selfmonitor images push builds and pushes the images and writes it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path.name}: cannot be read: {error!r}") from None
    if not isinstance(found, Mapping):
        raise SettingsError(f"{path.name}: images: expected a mapping of folders to digests")
    return found


def _digest(pushed: Mapping[str, Any], folder: str, name: str) -> str:
    entry = pushed.get(folder)
    if not isinstance(entry, Mapping) or not str(entry.get("digest", "")).startswith("sha256:"):
        raise SettingsError(f"{LOCK}: {folder} has no digest: ./selfmonitor images push again")
    if entry.get("name") != name:
        raise SettingsError(
            f"{LOCK}: {folder} was pushed as {entry.get('name')}, but images/{folder} makes "
            f"{name} now: ./selfmonitor images push again"
        )
    return str(entry["digest"])
