"""What the doctor says of one thing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One check: what was looked at, what was found, and the fix when it is not right."""

    check: str
    found: str
    fix: str = ""

    @property
    def fine(self) -> bool:
        """Nothing to do."""
        return not self.fix
