"""Whether PostgreSQL's commits wait for a standby, as Patroni's configuration has it."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Unseen
from policies.parameters import Parameter
from policies.reading.files import mappings, parsed
from policies.values import Unknown, joined_path

PARAMETERS: Mapping[str, Parameter] = {
    "files": Parameter(
        "strings",
        ("patroni.yml", "patroni.yaml", "bootstrap.yml", "provision.json"),
        "Names of the files in which Patroni is configured, in YAML or JSON.",
    )
}
# What Patroni's dynamic configuration is known by, wherever it stands: it has no key of its own.
KNOWN_BY = ("loop_wait", "ttl")
MODES = ("on", "quorum", True)
# Whose commits nobody else need have.
ALONE = ("off", "local", False)


def judged(path: str, text: Any) -> Iterator[Finding | Unseen]:
    """What is wrong with one of its files. path: where it is."""
    if isinstance(text, Unknown):
        yield Unseen(path)
        return
    found = parsed(str(text))
    if not isinstance(found, dict):
        yield Finding(path, "is neither YAML nor JSON")
        return
    for where, each in mappings(found):
        for key, what in _wrong(each):
            yield Finding(f"{path} {joined_path(where, key)}", what)


def _wrong(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of a mapping."""
    if all(key in found for key in KNOWN_BY):
        if found.get("synchronous_mode") not in MODES:
            yield "synchronous_mode", "is neither on nor quorum"
        if found.get("synchronous_mode_strict") is not True:
            yield "synchronous_mode_strict", "is not true"
    if "synchronous_commit" in found and found["synchronous_commit"] in ALONE:
        yield "synchronous_commit", "waits for no standby"
