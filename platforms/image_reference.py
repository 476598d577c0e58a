"""Which image a platform that pulls images is to pull."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platforms.image_context import BASE, image_context
from settings.errors import SettingsError

LOCK = "images.lock.json"


class ImageReferences:
    """What stands for the image of a folder of images/.

    With a registry: the digest that was pushed, as the lock file has it, and only if it was made
    of what the folder holds now. Without one: the local name and tag, which must be on the nodes.

    The lock file: {"images": {folder: {"name": the local name and tag, "digest": "sha256:…"}}}.
    Raises SettingsError for one that is missing, unreadable or of other images.
    """

    def __init__(self, root: Path, registry: str | None) -> None:
        folders = sorted(path.parent.name for path in (root / "images").glob("*/Dockerfile"))
        local = {each: image_context(root, each).name for each in folders if each != BASE}
        if registry is None:
            self._references = local
            return
        pushed = _read(root / LOCK)
        self._references = {
            folder: f"{registry}/{folder}@{_digest(pushed, folder, name)}"
            for folder, name in local.items()
        }

    def of(self, folder: str) -> str:
        """The reference of one image."""
        return self._references[folder]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["images"]
    except FileNotFoundError:
        raise SettingsError(
            f"kubernetes.registry is given, but there is no {path.name}, which says what was "
            "pushed to it: build and push the images, and write their digests there"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path.name}: cannot be read: {error!r}") from None
    if not isinstance(found, Mapping):
        raise SettingsError(f"{path.name}: images: expected a mapping of folders to digests")
    return found


def _digest(pushed: Mapping[str, Any], folder: str, name: str) -> str:
    entry = pushed.get(folder)
    if not isinstance(entry, Mapping) or not str(entry.get("digest", "")).startswith("sha256:"):
        raise SettingsError(f"{LOCK}: {folder} has no digest: build and push the images again")
    if entry.get("name") != name:
        raise SettingsError(
            f"{LOCK}: {folder} was pushed as {entry.get('name')}, but images/{folder} makes "
            f"{name} now: build and push the images again"
        )
    return str(entry["digest"])
