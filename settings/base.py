"""What every settings model has in common."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen and closed: a key nobody reads is a mistake somebody made, never ignored.

    Strict as well: a text where a number belongs is refused, so that `memory_mib: 1GB` is an
    error and not a guess. Units stand in the names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
