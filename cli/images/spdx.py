"""A software bill of materials as SPDX 2.3 JSON (https://spdx.github.io/spdx-spec/v2.3/).

Licences are not concluded: NOASSERTION, as SPDX says what nobody has looked at.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from cli.images.contents import Contents
from cli.images.inventory import Entry

# Of names of documents: the same image has the same (RFC 4122, version 5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://spdx.org/spdxdocs/selfmonitor")
UNKNOWN = "NOASSERTION"
DOCUMENT, IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"
# What an identifier may have in it, besides its beginning.
OUTSIDE_OF_IDENTIFIERS = re.compile(r"[^A-Za-z0-9.-]")


def document(contents: Contents, made: datetime) -> dict[str, Any]:
    """The document of one image. made: when, with its zone."""
    packages = [_image(contents)]
    taken: set[str] = set()
    for kind, describe in DESCRIBED.items():
        for entry in contents.packages[kind]:
            identifier = _identifier(kind, entry, taken)
            packages.append({"SPDXID": identifier, **describe(entry, contents.system)})
    name = contents.name.rpartition("/")[2].replace(":", "-")
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": f"selfmonitor-{name}",
        "documentNamespace": (
            f"https://spdx.org/spdxdocs/selfmonitor-{name}-"
            f"{uuid.uuid5(NAMESPACE, contents.image_id)}"
        ),
        "creationInfo": {
            "created": f"{made.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "creators": ["Tool: selfmonitor"],
        },
        "packages": packages,
        "relationships": [
            _related(DOCUMENT, "DESCRIBES", IMAGE),
            *(_related(IMAGE, "CONTAINS", each["SPDXID"]) for each in packages[1:]),
        ],
    }


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _image(contents: Contents) -> dict[str, Any]:
    return {
        "SPDXID": IMAGE,
        "name": contents.name.partition(":")[0],
        "versionInfo": contents.name.partition(":")[2],
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": contents.image_id.removeprefix("sha256:")}
        ],
        **_common(),
    }


def _common() -> dict[str, Any]:
    return {
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
    }


def _identifier(kind: str, entry: Entry, taken: set[str]) -> str:
    """One that no other package of the document has."""
    words = (kind, entry["name"], entry["version"], entry.get("architecture", ""))
    stem = "SPDXRef-" + OUTSIDE_OF_IDENTIFIERS.sub("-", "-".join(filter(None, words)))
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found


def _package(entry: Entry, locator: str, source: str, supplier: str = UNKNOWN) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "versionInfo": entry["version"],
        "supplier": supplier,
        "sourceInfo": source,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": locator,
            }
        ],
        **_common(),
    }


def _quoted(text: str) -> str:
    """As a package URL has it (https://github.com/package-url/purl-spec)."""
    return quote(text, safe="~.-_")


def _debian(entry: Entry, system: Mapping[str, str]) -> dict[str, Any]:
    locator = (
        f"pkg:deb/{_quoted(system['id'])}/{_quoted(entry['name'])}@{_quoted(entry['version'])}"
        f"?arch={_quoted(entry['architecture'])}"
        f"&distro={_quoted(system['id'])}-{_quoted(system['version'])}"
    )
    source = f"built from {entry['source']} {entry['source_version']}"
    return _package(entry, locator, source, "Organization: Debian")


def _python(entry: Entry, system: Mapping[str, str]) -> dict[str, Any]:
    name = re.sub(r"[-_.]+", "-", entry["name"]).lower()
    return _package(entry, f"pkg:pypi/{_quoted(name)}@{_quoted(entry['version'])}", entry["path"])


def _go(entry: Entry, system: Mapping[str, str]) -> dict[str, Any]:
    name = "/".join(map(_quoted, entry["name"].split("/")))
    return _package(entry, f"pkg:golang/{name}@{_quoted(entry['version'])}", entry["path"])


DESCRIBED: Mapping[str, Callable[[Entry, Mapping[str, str]], dict[str, Any]]] = {
    "debian": _debian,
    "python": _python,
    "go": _go,
}
