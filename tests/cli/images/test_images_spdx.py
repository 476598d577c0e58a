"""The bill of materials: every package once, by an address that scanners know."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cli.images.contents import Contents
from cli.images.spdx import document

MADE = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))


def entry(name: str, version: str, **more: str) -> dict[str, str]:
    return {"name": name, "version": version, **more}


def of_debian(name: str, version: str, source: str) -> dict[str, str]:
    return entry(name, version, architecture="amd64", source=source, source_version=version)


@pytest.fixture
def contents() -> Contents:
    return Contents(
        folder="vault",
        name="selfmonitor/vault:ef0d11b9efc7",
        image_id="sha256:" + "ab" * 32,
        size=2000,
        own_size=1000,
        system={"id": "debian", "version": "13"},
        packages={
            "debian": [
                of_debian("libstdc++6", "14.2.0-19", "gcc-14"),
                of_debian("libstdc--6", "14.2.0-19", "other"),
                of_debian("libc6", "1:2.41-12+deb13u1~x", "glibc"),
            ],
            "python": [
                entry("Zope.Interface", "7.2", path="/usr/lib/a"),
                entry("six", "1.17.0", path="/usr/lib/b"),
                entry("six", "1.17.0", path="/opt/b"),
            ],
            "go": [entry("github.com/acme/gateway", "v1.8.0", path="/usr/local/bin/gateway")],
        },
    )


def purls(found: dict[str, Any]) -> list[str]:
    return [
        reference["referenceLocator"]
        for each in found["packages"]
        for reference in each.get("externalRefs", ())
    ]


def test_each_package_has_its_address_as_scanners_know_it(contents: Contents) -> None:
    assert purls(document(contents, MADE)) == [
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libstdc--6@14.2.0-19?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libc6@1%3A2.41-12%2Bdeb13u1~x?arch=amd64&distro=debian-13",
        "pkg:pypi/zope-interface@7.2",
        "pkg:pypi/six@1.17.0",
        "pkg:pypi/six@1.17.0",
        "pkg:golang/github.com/acme/gateway@v1.8.0",
    ]


def test_every_identifier_is_one_and_is_there_once(contents: Contents) -> None:
    found = document(contents, MADE)
    identifiers = [each["SPDXID"] for each in found["packages"]]
    assert len(set(identifiers)) == len(identifiers) == 8
    for each in identifiers:
        assert each.startswith("SPDXRef-")
        assert each.replace("-", "").replace(".", "").isalnum(), each
    assert "SPDXRef-debian-libstdc--6-14.2.0-19-amd64-2" in identifiers


def test_the_document_describes_the_image_and_the_image_contains_the_rest(
    contents: Contents,
) -> None:
    found = document(contents, MADE)
    relations = [
        (each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
        for each in found["relationships"]
    ]
    identifiers = [each["SPDXID"] for each in found["packages"]]
    assert relations == [
        ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
        *(("SPDXRef-image", "CONTAINS", each) for each in identifiers[1:]),
    ]
    image = found["packages"][0]
    assert (image["name"], image["versionInfo"]) == ("selfmonitor/vault", "ef0d11b9efc7")
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]


def test_it_has_what_spdx_asks_of_a_document(contents: Contents) -> None:
    found = document(contents, MADE)
    assert found["spdxVersion"] == "SPDX-2.3"
    assert found["dataLicense"] == "CC0-1.0"
    assert found["creationInfo"] == {
        "created": "2026-11-23T08:00:00Z",
        "creators": ["Tool: selfmonitor"],
    }
    for each in found["packages"]:
        assert each["downloadLocation"] == each["licenseConcluded"] == "NOASSERTION"
        assert each["filesAnalyzed"] is False
    debian = found["packages"][1]
    assert debian["supplier"] == "Organization: Debian"
    assert debian["sourceInfo"] == "built from gcc-14 14.2.0-19"


def test_another_build_of_the_same_folder_is_another_document(contents: Contents) -> None:
    before = document(contents, MADE)["documentNamespace"]
    assert before == document(contents, datetime.now(UTC))["documentNamespace"]
    again = Contents(**{**vars(contents), "image_id": "sha256:" + "cd" * 32})
    assert document(again, MADE)["documentNamespace"] != before
