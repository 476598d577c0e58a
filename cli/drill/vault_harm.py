"""The drills in which something in the vault is wrong: a restore test has to find and name it."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from cli.drill.vault_scene import VaultScene
from cli.drill.vault_service import BACKUP

SEGMENT = re.compile(r"\b[0-9A-F]{24}\b")
BACKUP_LABEL = re.compile(r"\b\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?\b")
# What pgBackRest and gpg add to a file's name.
SUFFIXES = (".gpg", ".zst", ".lz4", ".gz", ".bz2")
# The newest ones are left alone: that they are not there yet is nothing to be found.
SEGMENTS = 3
KEY_WORDS = re.compile(r"\b(?:keys?|passphrase|cipher|decrypt\w*)\b", re.IGNORECASE)


def names_of(key: str) -> Iterator[str]:
    """What a person would know an object by, the most exact name first."""
    path = PurePosixPath(key)
    if segment := SEGMENT.search(path.name):
        yield from (key, path.name, segment.group())
        return
    plain = path.name
    while plain.endswith(SUFFIXES):
        plain = plain.rpartition(".")[0]
    yield from (key, str(path.parent / plain), f"{path.parent.name}/{plain}")
    if "." in plain:
        # Not a mere number, as a table's file is.
        yield plain
    if label := BACKUP_LABEL.search(key):
        # Files of a backup are bundled: the object is then one that only pgBackRest knows.
        yield label.group()


def named_in(text: str, keys: list[str]) -> str:
    """The name by which a text names one of the objects; empty if it names none."""
    for key in keys:
        for name in names_of(key):
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                return name
    return ""


def harm(kind: str, *, of_a_dump: bool = False) -> Callable[[VaultScene], None]:
    """A kind of damage to one object, as `backup-service harm` makes it."""

    def carry_out(scene: VaultScene) -> None:
        scene.make_sure_of_a_backup()
        if of_a_dump:
            scene.make_sure_of_a_dump()
        with scene.step("closing WAL segments"):
            for _ in range(SEGMENTS):
                scene.service.close_segment()
            point = scene.point()
        scene.findings.details["point"] = point
        with scene.rewound() as before:
            with scene.step(f"harm {kind}"):
                keys = scene.must(BACKUP, "harm", kind).value()["objects"]
            scene.findings.details["harmed"] = keys
            with scene.step("restore test that must fail"):
                answer = scene.restore_test("--at", point)
            said = scene.note_failed_test(answer, since=before)
            scene.findings.named = named_in(said, keys)
        with scene.step("restore test that must pass"):
            scene.note_passed_test("--at", point)

    return carry_out


def wrong_key(scene: VaultScene) -> None:
    """A restore test with another key, which has to fail and to blame the key."""
    scene.make_sure_of_a_backup()
    with scene.step("closing WAL segments"):
        scene.point()
    since = datetime.now(UTC)
    with scene.step("restore test with a wrong key"):
        answer = scene.restore_test("--wrong-key")
    said = scene.note_failed_test(answer, since)
    words = KEY_WORDS.search(said)
    scene.findings.named = words.group() if words else ""
    with scene.step("restore test that must pass"):
        scene.note_passed_test()
