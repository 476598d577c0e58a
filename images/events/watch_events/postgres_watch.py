"""Asks one PostgreSQL member's Patroni about itself, once a second, for ever."""

import http.client
import json
import threading
import time
from typing import Any

from watch_events.certificates import Certificates
from watch_events.postgres_story import Answer, PostgresStory, read

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 1.0
# Patroni's answer is 1 KiB, its history some 100 bytes a change of primary.
LONGEST_ANSWER = 1024 * 1024


def ask(member: str, port: int, path: str, certificates: Certificates) -> Any:
    """One request's JSON. Raises OSError; ValueError when it is no JSON, or no end of it."""
    connection = http.client.HTTPSConnection(
        member, port, timeout=ANSWER_SECONDS, context=certificates.client
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(LONGEST_ANSWER + 1)
    except http.client.HTTPException as error:
        raise ValueError(f"{member}: {error!r}") from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK or len(body) > LONGEST_ANSWER:
        raise ValueError(f"{member}: status {answer.status}, {len(body)} bytes")
    return json.loads(body)


class MemberWatch:
    """One member. `run` ends once `stop` is set.

    A thread each, so that no member that hangs delays the look at another.
    """

    def __init__(
        self,
        member: str,
        port: int,
        certificates: Certificates,
        story: PostgresStory,
        stop: threading.Event,
    ) -> None:
        self._member = member
        self._port = port
        self._certificates = certificates
        self._story = story
        self._stop = stop

    def run(self) -> None:
        """Looks, tells the story, waits."""
        while not self._stop.is_set():
            begun = time.monotonic()
            self._story.heard(self._member, self._look())
            self._stop.wait(max(0.0, begun + LOOK_SECONDS - time.monotonic()))

    def _look(self) -> Answer | None:
        try:
            return read(ask(self._member, self._port, "/patroni", self._certificates))
        except (OSError, ValueError, RecursionError):
            return None
