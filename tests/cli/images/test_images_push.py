"""A push is whole and written down, or the lock file is what it was."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cli.console import Steps
from cli.errors import OperationFailed
from cli.images.build import build
from cli.images.push import push, tag_of
from platforms.image_context import project_name
from platforms.image_reference import ImageReferences

REGISTRY = "registry.example.com/selfmonitor"
OLD = '{"images": {"one": {"name": "selfmonitor/one:0123", "digest": "sha256:old"}}}\n'


@pytest.fixture
def lock(root: Path) -> Path:
    """As an earlier push left it."""
    path = root / "images.lock.json"
    path.write_text(OLD)
    return path


@pytest.fixture
def names(engine: Any, root: Path) -> dict[str, str]:
    found = build(engine, root, Steps())
    assert list(found) == ["base", "one", "two"]
    return found


def test_what_was_pushed_is_what_a_platform_then_pulls(
    engine: Any, root: Path, lock: Path, names: dict[str, str]
) -> None:
    digests = push(engine, root, REGISTRY, names, Steps())
    assert set(digests.values()) == set(engine.registry.values())
    assert json.loads(lock.read_text()) == {
        "images": {
            folder: {"name": project_name(root, folder), "digest": digests[folder]}
            for folder in ("one", "two")
        }
    }
    references = ImageReferences(root, REGISTRY)
    assert references.of("two") == f"{REGISTRY}/two@{digests['two']}"


def test_the_lock_file_is_the_projects_and_no_secret(
    engine: Any, root: Path, names: dict[str, str]
) -> None:
    push(engine, root, REGISTRY, names, Steps())
    assert (root / "images.lock.json").stat().st_mode & 0o777 == 0o644
    assert sorted(each.name for each in root.iterdir()) == ["images", "images.lock.json"]


def test_the_base_is_pushed_by_nobody(engine: Any, root: Path, names: dict[str, str]) -> None:
    push(engine, root, REGISTRY, names, Steps())
    assert {each.rpartition(":")[0] for each in engine.registry} == {
        f"{REGISTRY}/one",
        f"{REGISTRY}/two",
    }


def test_a_tag_says_what_was_built_and_which_build_it_was(
    engine: Any, root: Path, names: dict[str, str]
) -> None:
    """Another build of the same folder would otherwise take the tag of one that runs."""
    push(engine, root, REGISTRY, names, Steps())
    content = names["one"].rpartition(":")[2]
    build_id = engine.built[names["one"]].id.removeprefix("sha256:")[:12]
    assert f"{REGISTRY}/one:{content}-{build_id}" in engine.registry
    assert tag_of(names["one"], "sha256:" + "0" * 64) != f"{content}-{build_id}"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("unauthorized: authentication required", "log in: docker login registry.example.com"),
        ("no basic auth credentials", "log in: docker login registry.example.com"),
        ("denied: requested access is denied", "log in: docker login registry.example.com"),
        (
            "name unknown: The repository with name 'selfmonitor/two' does not exist",
            "make the repository selfmonitor/two there first",
        ),
        ("dial tcp: lookup registry.example.com: no such host", "does this machine reach it?"),
    ],
)
def test_a_push_that_is_refused_half_way_leaves_the_lock_as_it_was(
    engine: Any, root: Path, lock: Path, names: dict[str, str], said: str, hint: str
) -> None:
    engine.refuses = {"two": said}
    with pytest.raises(OperationFailed) as caught:
        push(engine, root, REGISTRY, names, Steps())
    message = str(caught.value)
    assert message.startswith(f"{REGISTRY}/two: not pushed: {said}; ")
    assert message.endswith(hint)
    assert len(message.splitlines()) == 1
    assert len(engine.registry) == 1, "the first one is there already"
    assert lock.read_text() == OLD


def test_a_push_that_is_broken_off_leaves_the_lock_as_it_was(
    engine: Any, root: Path, lock: Path, names: dict[str, str]
) -> None:
    whole = engine.api.push

    def broken(repository: str, tag: str, **arguments: Any) -> Any:
        if repository.endswith("/two"):
            raise KeyboardInterrupt
        return whole(repository, tag, **arguments)

    engine.api.push = broken
    with pytest.raises(KeyboardInterrupt):
        push(engine, root, REGISTRY, names, Steps())
    assert lock.read_text() == OLD


def test_a_push_without_a_digest_is_none(
    engine: Any, root: Path, lock: Path, names: dict[str, str]
) -> None:
    engine.digest_is_told = False
    with pytest.raises(OperationFailed, match="ended without a digest: push again"):
        push(engine, root, REGISTRY, names, Steps())
    assert lock.read_text() == OLD


@pytest.mark.parametrize(
    ("there", "match"),
    [
        ("sha256:another", "the registry has sha256:another: somebody else pushes the same"),
        (docker.errors.APIError("x", explanation="manifest unknown"), "manifest unknown"),
    ],
)
def test_what_the_registry_does_not_have_afterwards_is_not_written_down(
    engine: Any, root: Path, lock: Path, names: dict[str, str], there: Any, match: str
) -> None:
    def data(reference: str) -> Any:
        if isinstance(there, Exception):
            raise there
        return SimpleNamespace(attrs={"Descriptor": {"digest": there}})

    engine.images.get_registry_data = data
    with pytest.raises(OperationFailed, match=match):
        push(engine, root, REGISTRY, names, Steps())
    assert lock.read_text() == OLD


def test_an_image_whose_folder_was_changed_meanwhile_is_not_written_down(
    engine: Any, root: Path, lock: Path, names: dict[str, str]
) -> None:
    whole = engine.api.push

    def editing(repository: str, tag: str, **arguments: Any) -> Any:
        (root / "images" / "one" / "Dockerfile").write_text("FROM other\n")
        return whole(repository, tag, **arguments)

    engine.api.push = editing
    with pytest.raises(OperationFailed, match="images/one was changed meanwhile"):
        push(engine, root, REGISTRY, names, Steps())
    assert lock.read_text() == OLD


def test_how_far_it_is_is_told_in_bytes(
    engine: Any, root: Path, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "cli.console.Steps.show_progress", lambda self, step, text: said.append(text)
    )
    push(engine, root, REGISTRY, names, Steps())
    assert said[:3] == ["512 B of 2.0 KiB", "521 B of 3.0 KiB", "asking the registry for it"]
