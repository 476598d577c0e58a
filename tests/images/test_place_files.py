"""place-files, run for real by an unprivileged user."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "images" / "base" / "place-files"
# Any user that may not do what root may; the tests' own if they are run by one.
UNPRIVILEGED = 65534


@dataclass(frozen=True)
class Folders:
    staging: Path
    target: Path
    user: int | None

    def run(self) -> subprocess.CompletedProcess[str]:
        with SCRIPT.open() as script:
            return subprocess.run(
                ["sh", "-s", str(self.staging), str(self.target)],
                stdin=script,
                capture_output=True,
                text=True,
                check=False,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                cwd="/",
            )

    def placed(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in self.target.iterdir()}

    def upload(self, **files: str) -> None:
        """As Docker does: root's own, to be read by all."""
        for name, text in files.items():
            path = self.staging / name
            path.write_text(text)
            path.chmod(0o444)

    def own(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user, self.user)


@pytest.fixture
def folders() -> Iterator[Folders]:
    # Not below pytest's own folder, which nobody else may enter.
    base = Path(tempfile.mkdtemp(prefix="place-files-"))
    base.chmod(0o755)
    found = Folders(base / "staging", base / "target", UNPRIVILEGED if os.geteuid() == 0 else None)
    for folder in (found.staging, found.target):
        folder.mkdir(mode=0o700)
        found.own(folder)
    yield found
    shutil.rmtree(base)


def test_files_are_placed_for_their_user_alone_and_nothing_stays_behind(folders: Folders) -> None:
    folders.upload(a="1", b="2")
    done = folders.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert folders.placed() == {"a": "1", "b": "2"}
    assert list(folders.staging.iterdir()) == []
    for file in folders.target.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o400
        assert file.stat().st_uid == (folders.user or os.getuid())


def test_a_changed_file_is_replaced_whole_and_an_unchanged_one_is_not_touched(
    folders: Folders,
) -> None:
    folders.upload(same="1", other="old")
    folders.run()
    before = {file.name: file.stat().st_ino for file in folders.target.iterdir()}
    with (folders.target / "other").open() as reader:
        folders.upload(same="1", other="newer")
        assert folders.run().returncode == 0
        assert reader.read() == "old"
    after = {file.name: file.stat().st_ino for file in folders.target.iterdir()}
    assert folders.placed() == {"same": "1", "other": "newer"}
    assert after["same"] == before["same"]
    assert after["other"] != before["other"]


def test_what_is_no_longer_declared_is_removed(folders: Folders) -> None:
    folders.upload(a="1", b="2")
    folders.run()
    folders.upload(a="1")
    folders.run()
    assert folders.placed() == {"a": "1"}


def test_names_with_spaces_are_placed_too(folders: Folders) -> None:
    folders.upload(**{"a b.conf": "1"})
    assert folders.run().returncode == 0
    assert folders.placed() == {"a b.conf": "1"}


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_what_a_killed_run_left_half_written_is_no_obstacle(folders: Folders, mode: int) -> None:
    half = folders.target / ".a.new"
    half.write_text("hal")
    half.chmod(mode)
    folders.own(half)
    folders.upload(a="whole")
    done = folders.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert folders.placed() == {"a": "whole"}


def test_a_target_that_cannot_be_written_is_a_failure_and_not_silence(folders: Folders) -> None:
    folders.upload(a="1")
    folders.target.chmod(0o500)
    done = folders.run()
    assert done.returncode != 0
    assert done.stderr
    assert (folders.staging / "a").exists()
