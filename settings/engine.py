"""What the running engine tells the program, and what it is told."""

import pulumi
from pulumi.runtime import config as runtime_config

from settings.errors import SettingsError
from settings.stack import StackSettings
from settings.unfilled import unfilled


def current_configuration() -> dict[str, str]:
    """The running program's whole configuration, however the engine handed it over.

    The SDK reads single keys only; an unknown key can be refused only if all are seen.
    """
    explicit = {str(key): str(value) for key, value in runtime_config.CONFIG.get().items()}
    return explicit or {k: str(v) for k, v in runtime_config.get_config_env().items()}


def must_be_filled_in(settings: StackSettings, stack: str) -> None:
    """Raises SettingsError, one line, that names every value a team has still to fill in.

    At a preview it is a warning: all else can be looked at, and judged, before.
    """
    left = unfilled(settings)
    if not left:
        return
    message = (
        f"Pulumi.{stack}.yaml: still to be filled in: {', '.join(each.key for each in left)}; "
        f"./selfmonitor doctor --stack {stack} says what each is and how to find it"
    )
    if not pulumi.runtime.is_dry_run():
        raise SettingsError(message)
    pulumi.log.warn(message)
