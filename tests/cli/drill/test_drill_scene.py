"""What a fault may ask of the scene it is made in."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from cli.drill.faults import PRIMARY_LOOKS, CannotInject, Scene


class Stop:
    """Remembers the pauses and takes none."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def scene(answers: list[str | None], stop: Stop) -> Scene:
    left = iter(answers)
    service: Any = SimpleNamespace(status=lambda: SimpleNamespace(leader=next(left)))
    return Scene(
        service=service,
        stop=stop,  # type: ignore[arg-type]
        hold_seconds=0.0,
        breaking=lambda _label: None,
        undo=ExitStack(),
        inside=lambda _writer: None,
    )


def test_a_primary_that_is_late_with_one_answer_is_found_all_the_same() -> None:
    stop = Stop()
    assert scene([None, None, "redis-2"], stop).primary() == "redis-2"
    assert len(stop.slept) == 2


def test_where_there_is_no_primary_nothing_can_be_broken() -> None:
    with pytest.raises(CannotInject, match="there is no primary"):
        scene([None] * PRIMARY_LOOKS, Stop()).primary()
