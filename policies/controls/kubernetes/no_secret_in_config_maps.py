"""No secret stands in a ConfigMap."""

import base64

from policies.contract import (
    Finding,
    Findings,
    ResourceControl,
    Settings,
    Severity,
    Unseen,
    WhenUnknown,
)
from policies.reading.kubernetes import CONFIG_MAPS, files
from policies.reading.secrets import HARMLESS_NAMES, PRIVATE_KEY, named, of_file, of_value
from policies.resources import Resource
from policies.values import Unknown


def check(config_map: Resource, settings: Settings) -> Findings:
    """An entry is a file, or a value of the name it has."""
    for path, name, text in files(config_map):
        if isinstance(text, Unknown):
            yield Unseen(path)
            continue
        harmless = settings["harmless"]
        is_value = named(name, harmless) and "\n" not in str(text).strip()
        judge = of_value(name, str(text), harmless) if is_value else of_file(str(text), harmless)
        if judge:
            yield Finding(path, judge)
    for name, encoded in (config_map.get("binaryData") or {}).items():
        if PRIVATE_KEY.search(base64.b64decode(str(encoded)).decode("latin-1")):
            yield Finding(f"binaryData.{name}", "holds a private key")


CONTROL = ResourceControl(
    module=__name__,
    title="No secret stands in a ConfigMap",
    why="ConfigMaps are not encrypted, and are open to all who may look at the namespace",
    mend="Put it into a Secret, in a file of its own.",
    references=("PCI DSS 4.0.1 8.3.2", "PCI DSS 4.0.1 8.6.2", "GDPR Art. 32(1)(a)"),
    severity=Severity.CRITICAL,
    types=CONFIG_MAPS,
    when_unknown=WhenUnknown.DEFER,
    parameters={"harmless": HARMLESS_NAMES},
    check=check,
)
