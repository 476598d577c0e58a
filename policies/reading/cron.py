"""How often something runs, by its schedule: five fields of cron, or a short word for them."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# A year and its neighbours, the longest months and a leap day among them.
FIRST = datetime(2027, 12, 1)
DAYS = 460


def longest_gap_hours(schedules: Iterable[str]) -> float | None:
    """The longest time, in hours, in which none of these schedules runs; None if none ever does.

    Raises ValueError for what is no schedule.
    """
    runs = sorted({run for each in schedules for run in _runs(each)})
    if not runs:
        return None
    gaps = (later - earlier for earlier, later in itertools.pairwise(runs))
    longest = max(gaps, default=timedelta(days=DAYS))
    return longest.total_seconds() / 3600


def _runs(schedule: str) -> Iterable[datetime]:
    fields = MACROS.get(schedule.strip().lower(), schedule).split()
    if len(fields) != len(LIMITS):
        raise ValueError("not five fields")
    minutes, hours, days, months, weekdays = (
        _values(field, low, high, names)
        for field, (low, high), names in zip(
            fields, LIMITS, ((), (), (), MONTHS, WEEKDAYS), strict=True
        )
    )
    # Cron's own rule: where both are given, one of them suffices.
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        of_month = day.day in days
        weekday = day.isoweekday() % 7
        of_week = weekday in weekdays or (weekday == 0 and 7 in weekdays)
        chosen = (of_month or of_week) if either else (of_month and of_week)
        if day.month in months and chosen:
            # Of each hour the first and the last minute: what is between makes no longer gap
            # than there can be within an hour.
            for hour in sorted(hours):
                for minute in {min(minutes), max(minutes)}:
                    yield day.replace(hour=hour, minute=minute)


def _values(field: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        text, _, step = part.partition("/")
        first, _, last = text.partition("-")
        if text in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first, names, low)
            end = _number(last, names, low) if last else (high if step else begin)
        if not low <= begin <= end <= high or (step and int(step) < 1):
            raise ValueError("a value is out of range")
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, names: tuple[str, ...], low: int) -> int:
    return names.index(text) + low if text in names else int(text)
