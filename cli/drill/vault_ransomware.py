"""Somebody has the system's own credentials and destroys all they let him: what is left of it."""

from collections.abc import Mapping
from typing import Any

from cli.drill.vault_scene import VaultScene
from cli.drill.vault_service import (
    BACKUP,
    LONG_SECONDS,
    REPLICATION,
    RESTORE_TEST,
    Answer,
    BackupService,
)
from cli.errors import OperationFailed, UserError

NAMED_AT_MOST = 5
# Who else holds credentials of the vault.
OTHERS = (RESTORE_TEST, REPLICATION)


def inventory(service: BackupService) -> dict[str, str]:
    """{key: sha256} of every object. Raises OperationFailed."""
    objects = service.ask(BACKUP, "inventory", seconds=LONG_SECONDS).value()["objects"]
    return {str(each["key"]): str(each["sha256"]) for each in objects}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Each object that is not what it was, and how."""
    return [
        f"{key} {'differs' if key in after else 'is gone'}"
        for key, sha256 in before.items()
        if after.get(key) != sha256
    ]


def ransomware(scene: VaultScene) -> None:
    """Deletes and overwrites everything, is refused the rest, and it all comes back."""
    findings = scene.findings
    scene.make_sure_of_a_backup()
    scene.make_sure_of_a_dump()
    with scene.step("closing WAL segments"):
        point = scene.point()
    with scene.step("inventory before"):
        before = inventory(scene.service)
    with scene.rewound() as since:
        findings.details["others"] = [_try_as(scene, member) for member in OTHERS]
        with scene.step("harm ransomware"):
            answer = scene.must(BACKUP, "harm", "ransomware")
        _note_attempts(scene, answer)
        with scene.step("inventory of what is left"):
            _note_damage(scene, before)
        with scene.step("restore test that must fail"):
            test = scene.restore_test("--at", point)
        findings.details["error"] = test.error()
        findings.found = test.status != 0
        if not findings.found:
            findings.failures.append(
                "the restore test passed while everything was deleted or overwritten"
            )
        findings.details["since"] = since.isoformat()
    with scene.step("inventory after"):
        after = inventory(scene.service)
    different = differences(before, after)
    findings.details["objects_before"] = len(before)
    findings.details["objects_recovered"] = len(before) - len(different)
    if different:
        named = ", ".join(different[:NAMED_AT_MOST])
        findings.failures.append(f"{len(different)} of {len(before)} objects: {named}")
    with scene.step("restore test that must pass"):
        scene.note_passed_test("--at", point)
    findings.recovered = findings.recovered and not different
    with scene.step("archiving goes on"):
        scene.switch_wal()


def _note_attempts(scene: VaultScene, answer: Answer) -> None:
    """Every attempt at what would make it final, with the vault's answer; none may succeed."""
    findings = scene.findings
    tried: dict[str, str | None] = answer.value()["refused"]
    allowed = [act for act, refusal in tried.items() if refusal is None]
    findings.details["attempts"] = tried
    findings.details["refused"] = len(tried) - len(allowed)
    if not tried:
        findings.failures.append(f"{answer.asked} does not say what it was refused")
    if allowed:
        findings.failures.append(f"was not refused: {', '.join(allowed)}")
    if tried and not allowed:
        findings.named = f"{len(tried)} of {len(tried)} refused"


def _note_damage(scene: VaultScene, before: Mapping[str, str]) -> None:
    damaged = len(differences(before, inventory(scene.service)))
    scene.findings.details["objects_damaged"] = damaged
    if not damaged:
        scene.findings.failures.append("nothing was deleted or overwritten: this proves nothing")


def _try_as(scene: VaultScene, member: str) -> dict[str, Any]:
    """The same with another container's credentials. Reported, and rewound with the rest.

    {"member", "status": its exit status, "harmed": objects, "error": why it got no further}
    """
    with scene.step(f"harm ransomware as {member}"):
        try:
            answer = scene.service.ask(member, "harm", "ransomware", seconds=LONG_SECONDS)
            harmed = len(answer.value()["objects"]) if answer.status == 0 else 0
            error = answer.error() or None
        except (OperationFailed, UserError) as failed:
            return {"member": member, "status": None, "harmed": 0, "error": str(failed)}
    return {"member": member, "status": answer.status, "harmed": harmed, "error": error}
