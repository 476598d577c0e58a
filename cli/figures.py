"""How sizes, ages and times read."""

from datetime import UTC, datetime

KIB = 1024


def size(number: int | None) -> str:
    """Bytes in the unit that fits, e.g. 1.2 GiB; empty when not known."""
    if number is None:
        return ""
    if number < KIB:
        return f"{number} B"
    value = float(number)
    for unit in ("KiB", "MiB", "GiB"):
        value /= KIB
        if value < KIB:
            return f"{value:.1f} {unit}"
    return f"{value / KIB:.1f} TiB"


def span(seconds: float | None) -> str:
    """A length of time in the unit that fits, e.g. 59 s, 2 min, 3 h, 4 d; empty when not known."""
    if seconds is None:
        return ""
    for unit, length, upto in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < upto:
            return f"{max(0, int(seconds // length))} {unit}"
    return f"{int(seconds // 86400)} d"


def moment(text: str) -> datetime:
    """A time as programs write it (ISO 8601; UTC where no offset is given). Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def shown(text: str | None) -> str:
    """A program's time as a person reads it, in UTC; empty when there is none."""
    if not text:
        return ""
    try:
        return f"{moment(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return text


def seconds_since(text: str | None, now: datetime | None = None) -> float | None:
    """How long ago a program's time was; None when there is none."""
    if not text:
        return None
    try:
        return ((now or datetime.now(UTC)) - moment(text)).total_seconds()
    except ValueError:
        return None
