"""What is in an image, told by this program, which runs inside it.

It is handed over as text to the image's own python3, which has little of the standard library, and
prints one JSON document:

  {"system": {"id", "version"},
   "debian": [{"name", "version", "architecture", "source", "source_version"}],
   "python": [{"name", "version", "path"}], "go": [{"name", "version", "path"}]}

Debian describes what Debian installed, and Python's packages describe themselves. A program written
in Go has in it what it was made of; it is looked for where Debian installs nothing.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator

Entry = dict[str, str]

DPKG_FIELDS = ("name", "version", "architecture", "source", "source_version")
DPKG_FORMAT = (
    "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}"
    "\t${source:Package}\t${source:Version}\n"
)
# https://pkg.go.dev/debug/buildinfo: after these bytes the size of a pointer and flags; two texts
# begin at 32, each after its length in seven bits a byte. The second has 16 more at both ends.
GO_MAGIC = b"\xff Go buildinf:"
GO_TEXTS_INLINE = 2
GO_TEXTS_AT = 32
GO_WRAPPED = 16


def system(root: str) -> Entry:
    """Which distribution it is."""
    with open(os.path.join(root, "etc/os-release"), encoding="utf-8") as file:
        pairs = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    return {"id": pairs["ID"].strip('"'), "version": pairs.get("VERSION_ID", "").strip('"')}


def debian(lines: Iterable[str]) -> list[Entry]:
    """Packages that are installed, from lines of DPKG_FORMAT."""
    found: list[Entry] = []
    for line in lines:
        status, *values = line.rstrip("\n").split("\t")
        if status == "installed":
            found.append(dict(zip(DPKG_FIELDS, values, strict=True)))
    return found


def python(root: str, *directories: str) -> list[Entry]:
    """Packages as they describe themselves (dist-info, or the older egg-info)."""
    found: list[Entry] = []
    for directory in directories:
        for path, folders, files in os.walk(os.path.join(root, directory)):
            where = [os.path.join(path, name) for name in (*folders, *files)]
            for each in where:
                if each.endswith((".dist-info", ".egg-info")):
                    found += _described(root, each)
    return sorted(found, key=lambda each: each["path"])


def _described(root: str, path: str) -> Iterator[Entry]:
    files = {"METADATA": ".dist-info", "PKG-INFO": ".egg-info"}
    inside = [os.path.join(path, name) for name, kind in files.items() if path.endswith(kind)]
    fields: Entry = {}
    for file in inside if os.path.isdir(path) else [path]:
        if not os.path.isfile(file):
            continue
        with open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # What comes after the first empty line is for people.
                if not line.strip():
                    break
                key, _, value = line.partition(":")
                fields.setdefault(key, value.strip())
    if fields.get("Name") and fields.get("Version"):
        yield {"name": fields["Name"], "version": fields["Version"], "path": _shown(root, path)}


def go(root: str, *directories: str) -> list[Entry]:
    """Modules that programs were made of, the language's own library too."""
    found = []
    for directory in directories:
        for path, _, files in os.walk(os.path.join(root, directory)):
            for whole in sorted(os.path.join(path, name) for name in files):
                found += [
                    {"name": name, "version": version, "path": _shown(root, whole)}
                    for name, version in modules(whole)
                ]
    return found


def modules(path: str) -> list[tuple[str, str]]:
    """(module, version) of each that a program was made of; none for any other file."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
        content = file.read()
    at = content.find(GO_MAGIC)
    # The size of a pointer lies between.
    if at < 0 or not content[at + len(GO_MAGIC) + 1] & GO_TEXTS_INLINE:
        return []
    version, after = _text(content, at + GO_TEXTS_AT)
    made_of, _ = _text(content, after)
    found = [("stdlib", version.decode().split()[0].removeprefix("go"))]
    for line in made_of[GO_WRAPPED:-GO_WRAPPED].decode("utf-8", "replace").splitlines():
        kind, *rest = line.split("\t")
        if kind == "=>":
            # What was taken in the place of the one before.
            found[-1] = (rest[0], rest[1])
        elif kind in ("mod", "dep"):
            found.append((rest[0], rest[1]))
    return found


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    """A text with its length before it, and where it ends."""
    length = shift = 0
    while True:
        byte = content[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return content[at : at + length], at + length


def _shown(root: str, path: str) -> str:
    return "/" + os.path.relpath(path, root)


def main() -> None:
    """Prints all of it, of the file system this runs in. Ends with 1 where dpkg-query fails."""
    with os.popen(f"dpkg-query --show --showformat='{DPKG_FORMAT}'") as output:  # noqa: S605
        packages = debian(output)
    if not packages:
        sys.exit("dpkg-query names no package")
    found = {
        "system": system("/"),
        "debian": packages,
        "python": python("/", "usr", "opt"),
        "go": go("/", "usr/local", "opt"),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
