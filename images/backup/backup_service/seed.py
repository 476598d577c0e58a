"""Fills a vault that was lost from the copy in the second region."""

from typing import Any

from backup_service.errors import WrongInput
from backup_service.progress import Progress
from backup_service.s3 import Object, Vault, VaultError
from backup_service.settings import Settings, credentials
from backup_service.transfer import Transfer, rank


class OtherHistory(Exception):
    """The vault has backups that the copy does not know."""


def main(settings: Settings, progress: Progress) -> dict[str, Any]:
    """`backup-service seed`."""
    if settings.copy is None:
        raise WrongInput("there is no copy to recover from: backup.json has none")
    copy = Vault(settings.copy, credentials("copy"))
    vault = Vault(settings.vault, credentials("vault"))
    return seed(copy, vault, settings.stanza, progress)


def seed(copy: Vault, vault: Vault, stanza: str, progress: Progress) -> dict[str, Any]:
    """Copies what is current in the copy and not in the vault: {"objects", "bytes", "copied"}.

    The last is of this run; killed half way, the next goes on. Until it is through, the vault has
    no list of backups. Raises OtherHistory and VaultError.
    """
    _same_history(copy, vault, stanza)
    transfer = Transfer(copy, vault)
    objects = size = missing = 0
    for each, same in transfer.compare(""):
        objects += 1
        size += each.size
        missing += 0 if same else each.size
    copied = 0
    progress.report("seed", 0, missing)
    last: list[Object] = []
    for each in transfer.missing(""):
        if rank(each.key):
            last.append(each)
        else:
            copied += _copy(transfer, each, copied, missing, progress)
    for each in sorted(last, key=lambda each: rank(each.key)):
        copied += _copy(transfer, each, copied, missing, progress)
    progress.report("seed", missing, missing)
    return {"objects": objects, "bytes": size, "copied": copied}


def _copy(transfer: Transfer, found: Object, before: int, total: int, progress: Progress) -> int:
    transfer.copy(found, lambda done: progress.report("seed", before + done, total))
    return found.size


def _same_history(copy: Vault, vault: Vault, stanza: str) -> None:
    prefix = f"pgbackrest/backup/{stanza}/backup.info"
    theirs = {each.key: each for each in copy.list(prefix)}
    if not theirs:
        raise VaultError(copy.host, f"there is no backup of {stanza} to recover from")
    for ours in vault.list(prefix):
        other = theirs.get(ours.key)
        if other is None or (ours.etag != other.etag and ours.modified >= other.modified):
            known = f"the copy's is of {other.modified:%Y-%m-%d %H:%M:%SZ}" if other else "no copy"
            raise OtherHistory(
                f"{vault.host} has backups of its own, which the copy does not know: {ours.key} is"
                f" of {ours.modified:%Y-%m-%d %H:%M:%SZ}, {known}; nothing was copied: recover from"
                " the vault itself, or give it an empty volume"
            )
