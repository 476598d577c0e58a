"""The configuration of a program that the Pulumi engine is running."""

from pulumi.runtime import config as runtime_config


def current_configuration() -> dict[str, str]:
    """The running program's whole configuration, however the engine handed it over.

    The SDK reads single keys only; an unknown key can be refused only if all are seen.
    """
    explicit = {str(key): str(value) for key, value in runtime_config.CONFIG.get().items()}
    return explicit or {k: str(v) for k, v in runtime_config.get_config_env().items()}
