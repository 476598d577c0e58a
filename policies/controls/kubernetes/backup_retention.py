"""Backups are kept for as long as the environment demands."""

from policies.contract import Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.backups import RETENTION, kept_too_short
from policies.reading.kubernetes import CONFIG_MAPS, files
from policies.resources import Resource


def check(config_map: Resource, settings: Settings) -> Findings:
    """By the files that say it; see the setting values."""
    for path, name, text in files(config_map):
        yield from kept_too_short(path, name, text, settings)


CONTROL = ResourceControl(
    module=__name__,
    title="Backups are kept long enough",
    why="an error that is found after the last good backup is gone cannot be mended",
    mend="Raise it to setting minimum_days of this control, or more.",
    references=("PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)", "FCA SYSC 9.1.2"),
    severity=Severity.HIGH,
    types=CONFIG_MAPS,
    when_unknown=WhenUnknown.DEFER,
    parameters=RETENTION,
    check=check,
)
