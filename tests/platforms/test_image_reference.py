"""Which image is pulled: one that was made of what is here, or none."""

import json
from pathlib import Path
from typing import Any

import pytest

from platforms.image_context import image_context
from platforms.image_reference import ImageReferences
from settings.errors import SettingsError

REGISTRY = "registry.example.com/selfmonitor"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("base", "thing"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def lock(root: Path, content: Any) -> None:
    (root / "images.lock.json").write_text(json.dumps(content))


def pushed(root: Path) -> dict[str, Any]:
    return {"images": {"thing": {"name": image_context(root, "thing").name, "digest": DIGEST}}}


def refusal(root: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        ImageReferences(root, REGISTRY)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_without_a_registry_it_is_the_local_name_and_tag(root: Path) -> None:
    assert ImageReferences(root, None).of("thing") == image_context(root, "thing").name


def test_with_a_registry_it_is_what_was_pushed_by_digest(root: Path) -> None:
    lock(root, pushed(root))
    assert ImageReferences(root, REGISTRY).of("thing") == f"{REGISTRY}/thing@{DIGEST}"


def test_without_a_lock_file_it_says_what_to_do(root: Path) -> None:
    assert refusal(root).startswith(
        "kubernetes.registry is given, but there is no images.lock.json"
    )


def test_an_image_that_has_changed_since_it_was_pushed_is_not_used(root: Path) -> None:
    content = pushed(root)
    lock(root, content)
    (root / "images" / "base" / "Dockerfile").write_text("FROM other\n")
    message = refusal(root)
    assert content["images"]["thing"]["name"] in message
    assert image_context(root, "thing").name in message


@pytest.mark.parametrize(
    "content",
    [{"images": {}}, {"images": {"thing": {}}}, {"images": {"thing": {"digest": "latest"}}}],
)
def test_an_image_without_a_digest_is_named(root: Path, content: Any) -> None:
    lock(root, content)
    assert refusal(root).startswith("images.lock.json: thing has no digest")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": 3}', "\x00"])
def test_a_lock_file_that_is_none_is_one_error(root: Path, text: str) -> None:
    (root / "images.lock.json").write_text(text)
    assert refusal(root).startswith("images.lock.json: ")


def test_a_registry_that_is_to_be_filled_in_asks_for_no_lock_file(root: Path) -> None:
    """So that a preview of a stack file as it is shipped gets past its images."""
    name = image_context(root, "thing").name
    found = ImageReferences(root, "fill-in.invalid/selfmonitor").of("thing")
    assert found == f"fill-in.invalid/{name}"


def test_who_pushed_may_have_had_authorities_that_this_machine_lacks(root: Path) -> None:
    lock(root, pushed(root))
    given = root / "images" / "base" / "ca-certificates"
    given.mkdir()
    (given / "0123456789abcdef.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert ImageReferences(root, REGISTRY).of("thing") == f"{REGISTRY}/thing@{DIGEST}"
