"""Commits of PostgreSQL wait for a standby."""

from policies.contract import Findings, Level, ResourceControl, Settings, Severity, WhenUnknown
from policies.environment import PerEnvironment
from policies.reading import patroni
from policies.reading.kubernetes import CONFIG_MAPS, files
from policies.resources import Resource


def check(config_map: Resource, settings: Settings) -> Findings:
    """In every file of Patroni's that is no secret."""
    for path, name, text in files(config_map):
        if name in settings["files"]:
            yield from patroni.judged(path, text)


CONTROL = ResourceControl(
    module=__name__,
    title="Commits of PostgreSQL wait for a standby",
    why="otherwise what was acknowledged last is lost with the primary",
    mend="Set synchronous_mode: quorum and synchronous_mode_strict: true.",
    references=("GDPR Art. 5(1)(f)", "FCA SYSC 4.1.7", "FCA SYSC 15A.2.9"),
    severity=Severity.HIGH,
    types=CONFIG_MAPS,
    when_unknown=WhenUnknown.DEFER,
    parameters=patroni.PARAMETERS,
    enforcement=PerEnvironment(Level.ADVISORY, Level.MANDATORY, Level.MANDATORY),
    check=check,
)
