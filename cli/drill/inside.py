"""What a primary that was cut off went on accepting from those who were cut off with it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InsideAccount:
    """`accepted` writes from the moment it was cut off until it was connected again, the last of
    them `last` seconds after the cut (0.0 if there was none). Nobody else has them: they are gone
    when it rejoins.
    """

    accepted: int
    last: float


def settle_inside(accepted_at: Sequence[float], cut_at: float, healed_at: float) -> InsideAccount:
    """All on one clock, in seconds. Raises ValueError if there is no moment at all: a writer that
    never wrote has seen nothing.
    """
    if not accepted_at:
        raise ValueError("no write from inside was accepted, not even before the cut")
    after = [moment - cut_at for moment in accepted_at if cut_at < moment <= healed_at]
    return InsideAccount(len(after), max(after, default=0.0))
