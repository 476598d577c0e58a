"""What an image's tag follows from."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.image_context import content_hash, folders, image_context, project_name

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("backup", "base", "etcd", "events", "postgres", "redis", "router", "vault")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("base", "thing"):
        folder = tmp_path / "images" / name
        (folder / "inner").mkdir(parents=True)
        (folder / "Dockerfile").write_text("FROM scratch\n")
        (folder / "inner" / "run").write_text("#!/bin/sh\n")
        (folder / "inner" / "run").chmod(0o755)
        (folder / "a.conf.j2").write_text("{{ port }}\n")
    return tmp_path


def change_content(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch \n")


def change_mode(folder: Path) -> None:
    (folder / "inner" / "run").chmod(0o644)


def add_a_file(folder: Path) -> None:
    (folder / "more").touch()


def add_a_hidden_file(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*.j2\n")


def remove_a_file(folder: Path) -> None:
    (folder / "inner" / "run").unlink()


def rename_a_file(folder: Path) -> None:
    (folder / "inner" / "run").rename(folder / "inner" / "walk")


def move_a_byte_from_one_file_to_the_next(folder: Path) -> None:
    (folder / "inner" / "run").write_text("#!/bin/sh")
    (folder / "Dockerfile").write_text("FROM scratch\n\n")


CHANGES = (
    change_content,
    change_mode,
    add_a_file,
    add_a_hidden_file,
    remove_a_file,
    rename_a_file,
    move_a_byte_from_one_file_to_the_next,
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_goes_into_an_image_changes_its_name(
    root: Path, change: Callable[[Path], None]
) -> None:
    before = image_context(root, "thing")
    change(root / "images" / "thing")
    after = image_context(root, "thing")
    assert after.name != before.name
    assert after.content_hash != before.content_hash


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_base_changes_every_image_built_on_it(
    root: Path, change: Callable[[Path], None]
) -> None:
    before = image_context(root, "thing")
    change(root / "images" / "base")
    after = image_context(root, "thing")
    assert after.name != before.name
    assert after.build_arguments == {"BASE": image_context(root, "base").name}


def test_a_changed_image_leaves_the_base_alone(root: Path) -> None:
    before = image_context(root, "base")
    change_content(root / "images" / "thing")
    assert image_context(root, "base") == before


def test_templates_bytecode_and_times_change_nothing(root: Path) -> None:
    folder = root / "images" / "thing"
    before = content_hash(folder)
    (folder / "a.conf.j2").write_text("{{ other }}\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "run.pyc").write_bytes(b"x")
    (folder / "Dockerfile").touch()
    assert content_hash(folder) == before


def test_a_further_text_changes_the_hash(root: Path) -> None:
    folder = root / "images" / "thing"
    found = {content_hash(folder), content_hash(folder, "a"), content_hash(folder, "a", "b")}
    assert len(found | {content_hash(folder, "ab")}) == 4


def test_the_same_files_elsewhere_make_the_same_image(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "images", tmp_path / "elsewhere" / "images")
    assert image_context(tmp_path / "elsewhere", "thing") == image_context(root, "thing")


@pytest.mark.parametrize("folder", IMAGES)
def test_an_image_is_named_after_its_folder_and_tagged_with_its_content(folder: str) -> None:
    found = image_context(ROOT, folder)
    repository, _, tag = found.name.partition(":")
    assert repository == f"selfmonitor/{folder}"
    assert len(tag) == 12
    assert found.content_hash.startswith(tag)
    assert found.path == f"./images/{folder}"
    assert bool(found.build_arguments) is (folder != "base")


def test_every_folder_of_images_is_registered_once(local) -> None:  # type: ignore[no-untyped-def]
    registered = {each.inputs["name"]: each for each in local.of("RemoteImage")}
    assert registered.keys() == {image_context(ROOT, folder).name for folder in IMAGES}
    for folder in IMAGES:
        context = image_context(ROOT, folder)
        inputs = registered[context.name].inputs
        assert inputs["build"]["context"] == f"./images/{folder}"
        assert inputs["triggers"] == {"content": context.content_hash}
        assert inputs["build"].get("buildArgs", {}) == context.build_arguments


@pytest.mark.parametrize("folder", [f for f in IMAGES if list((ROOT / "images" / f).glob("*.j2"))])
def test_where_there_are_templates_the_build_leaves_them_out_too(folder: str) -> None:
    """Otherwise an image could hold what its tag does not stand for."""
    assert "*.j2" in (ROOT / "images" / folder / ".dockerignore").read_text().splitlines()


def test_a_machines_own_authorities_change_an_image_and_not_what_the_project_calls_it(
    root: Path,
) -> None:
    """Otherwise what one machine has pushed no other would recognise."""
    plain = image_context(root, "thing").name
    assert project_name(root, "thing") == plain
    given = root / "images" / "base" / "ca-certificates"
    given.mkdir()
    (given / "0123456789abcdef.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert image_context(root, "thing").name != plain
    assert project_name(root, "thing") == plain


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("folder", ["base", "thing"])
def test_all_else_changes_what_the_project_calls_it(
    root: Path, change: Callable[[Path], None], folder: str
) -> None:
    before = project_name(root, "thing")
    change(root / "images" / folder)
    assert project_name(root, "thing") != before


def test_the_images_that_run_somewhere_are_all_but_the_base() -> None:
    assert folders(ROOT) == tuple(sorted(set(IMAGES) - {"base"}))
