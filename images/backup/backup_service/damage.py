"""What is damaged or missing, going by what pgBackRest says of it."""

import re

from backup_service.errors import one_line

_INFO = re.compile(r"unable to load info file '[^']*?/(backup|archive)\.info'")
_MANIFEST = re.compile(r"unable to load backup manifest file '[^']*?([^/']+)/backup\.manifest'")
_FILE = re.compile(r"error restoring '([^']+)': actual checksum")
_SEGMENT = re.compile(r"unable to get ([0-9A-F]{8}(?:[0-9A-F]{16}|\.history)):?\s*(.*)", re.DOTALL)
_MISSING = re.compile(r"unable to open missing file '[^']*?((?:backup|archive)/[^']+)'")
_SET = re.compile(r"backup set (\S+) is not valid")
_UNREACHABLE = re.compile(
    r"HostConnectError|ServiceError|timeout|unable to (?:get address|connect)|TLS error", re.I
)


def explain(error: str, data: str = "") -> str:
    """One line that names what is damaged or missing and, where it is not plain, why.

    error: pgBackRest's own message. data: the directory restored into, left out of names.
    """
    unreachable = _UNREACHABLE.search(error)
    if found := _SEGMENT.search(error):
        if unreachable:
            return f"the vault did not give WAL {found[1]}: {one_line(error)}"
        if _MISSING.search(error):
            return f"WAL segment {found[1]} is missing in the vault"
        return f"WAL segment {found[1]} is damaged: {one_line(found[2])}"
    if found := _FILE.search(error):
        return f"{_name(found[1], data)} is damaged in the backup: its checksum does not match"
    if unreachable:
        return f"the vault does not answer: {one_line(error)}"
    if found := _MANIFEST.search(error):
        if "FileMissingError" in error:
            return f"backup {found[1]} is missing in the vault: it has no backup.manifest"
        return f"wrong key or damaged: backup.manifest of {found[1]} cannot be read"
    if found := _INFO.search(error):
        if "FileMissingError" in error:
            return f"{found[1]}.info is missing in the vault: no backup was ever made there"
        return f"wrong key or damaged: {found[1]}.info cannot be read"
    if found := _MISSING.search(error):
        return f"{found[1]} is missing in the vault"
    if found := _SET.search(error):
        return f"backup {found[1]} is missing in the vault"
    if "unable to find backup set" in error:
        return "no backup was finished before that point"
    if re.search(r"Crypto|cipher", error):
        return f"wrong key or damaged: {one_line(error)}"
    return one_line(error)


def _name(path: str, data: str) -> str:
    return path.removeprefix(data.rstrip("/") + "/") if data else path
