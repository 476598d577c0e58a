"""What an image is made of, and the tag that follows from it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

BASE = "base"
# Twelve hex digits, as short commit ids: no two builds of one image meet by chance.
TAG_DIGITS = 12
DELIVERED = (".j2", ".conf")
# Authorities of the machine that builds (cli/host/certificates.py): in the base image, and not in
# the project.
OF_THIS_MACHINE = "ca-certificates/*.crt"


@dataclass(frozen=True)
class ImageContext:
    """One image to build.

    name: repository and tag, where the tag is the content's hash.
    path: the build context, relative to the program's folder, so that the plan is the same on
        every machine.
    """

    folder: str
    name: str
    path: str
    content_hash: str
    build_arguments: dict[str, str]


def content_hash(directory: Path, *also: str, project_only: bool = False) -> str:
    """Hash over the names, modes and bytes of a context's files and over further texts.

    Configuration files (*.j2, *.conf) are no part of an image: the program fills them in and
    delivers them (.dockerignore leaves them out as well). project_only: what this machine has put
    there does not count.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts or path.suffix in DELIVERED:
            continue
        if project_only and path.match(OF_THIS_MACHINE):
            continue
        executable = bool(path.stat().st_mode & 0o100)
        content = path.read_bytes()
        digest.update(f"{path.relative_to(directory)}\0{executable}\0{len(content)}\0".encode())
        digest.update(content)
    for text in also:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def image_context(root: Path, folder: str) -> ImageContext:
    """The image in images/<folder> of the project at `root`.

    Every image but the base is built on the base, so its hash includes the base's: a changed base
    is a changed resource for all.
    """
    directory = root / "images" / folder
    arguments: dict[str, str] = {}
    if folder != BASE:
        arguments["BASE"] = image_context(root, BASE).name
    digest = content_hash(directory, *arguments.values())
    return ImageContext(
        folder=folder,
        name=_name(folder, digest),
        path=f"./images/{folder}",
        content_hash=digest,
        build_arguments=arguments,
    )


def project_name(root: Path, folder: str) -> str:
    """What an image would be called on a machine without authorities of its own: the same for the
    same files of the project, wherever it was built.
    """
    base = () if folder == BASE else (project_name(root, BASE),)
    return _name(folder, content_hash(root / "images" / folder, *base, project_only=True))


def folders(root: Path) -> tuple[str, ...]:
    """The images that run somewhere: all but the base."""
    found = sorted(path.parent.name for path in (root / "images").glob("*/Dockerfile"))
    return tuple(each for each in found if each != BASE)


def _name(folder: str, digest: str) -> str:
    return f"selfmonitor/{folder}:{digest[:TAG_DIGITS]}"
