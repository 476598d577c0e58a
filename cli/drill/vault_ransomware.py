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
    answer = service.ask(BACKUP, "inventory", seconds=LONG_SECONDS)
    if answer.status:
        raise OperationFailed(answer.failure())
    found = {str(each["key"]): str(each["sha256"]) for each in _objects(answer)}
    if not found:
        raise OperationFailed(f"{answer.asked} names no object")
    return found


def _objects(answer: Answer) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for value in answer.said:
        each = value.get("objects", value) if isinstance(value, dict) else value
        if isinstance(each, dict) and each and not ({"event", "key"} & each.keys()):
            found += [{"key": key, "sha256": _sha(entry)} for key, entry in each.items()]
        elif isinstance(each, dict):
            found += [each] if "sha256" in each else []
        else:
            found += each
    return found


def _sha(entry: Any) -> str:
    return str(entry["sha256"] if isinstance(entry, dict) else entry)


def attempts(answer: Answer) -> list[dict[str, Any]]:
    """What was tried beyond deleting and overwriting, each with whether it was refused."""
    for value in reversed(answer.said):
        if isinstance(value, dict) and isinstance(value.get("attempts"), list):
            return [each for each in value["attempts"] if isinstance(each, dict)]
    return []


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
    findings = scene.findings
    tried = attempts(answer)
    allowed = [str(each.get("what")) for each in tried if not each.get("refused")]
    findings.details["attempts"] = tried
    findings.details["refused"] = len(tried) - len(allowed)
    if not tried:
        findings.failures.append(f"{answer.asked} does not say what it was refused")
    if allowed:
        findings.failures.append(f"was not refused: {', '.join(allowed)}")
    if tried and not allowed:
        findings.named = f"{len(tried)} of {len(tried)} refused"


def _note_damage(scene: VaultScene, before: Mapping[str, str]) -> None:
    try:
        left = inventory(scene.service)
    except OperationFailed:
        left = {}
    damaged = len(differences(before, left))
    scene.findings.details["objects_damaged"] = damaged
    if not damaged:
        scene.findings.failures.append("nothing was deleted or overwritten: this proves nothing")


def _try_as(scene: VaultScene, member: str) -> dict[str, Any]:
    """The same with another container's credentials. Reported, and rewound with the rest."""
    with scene.step(f"harm ransomware as {member}"):
        try:
            answer = scene.service.ask(member, "harm", "ransomware", seconds=LONG_SECONDS)
        except (OperationFailed, UserError) as error:
            return {"member": member, "status": None, "error": str(error)}
    last = next((each for each in reversed(answer.said) if isinstance(each, dict)), {})
    return {
        "member": member,
        "status": answer.status,
        "error": answer.error() if answer.status else None,
        **{name: value for name, value in last.items() if name not in ("event", "attempts")},
        "refused": sum(bool(each.get("refused")) for each in attempts(answer)),
        "attempts": len(attempts(answer)),
    }
