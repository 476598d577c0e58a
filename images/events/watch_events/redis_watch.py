"""Listens to one Sentinel for ever."""

import threading
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from watch_events.certificates import Certificates
from watch_events.event import log
from watch_events.redis_story import RedisStory, View
from watch_events.settings import Sentinel

USER = "events"
# One that is cut off or hangs is given up after this time, by each of the ways below.
ANSWER_SECONDS = 1.5
LOOK_SECONDS = 1.0
SHORTEST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0


class SentinelWatch:
    """One Sentinel. `run` ends once `stop` is set."""

    def __init__(
        self,
        sentinel: Sentinel,
        service: str,
        password: str,
        certificates: Certificates,
        story: RedisStory,
        stop: threading.Event,
    ) -> None:
        self._sentinel = sentinel
        self._service = service
        self._password = password
        self._certificates = certificates
        self._story = story
        self._connected = False
        self._stop = stop

    def run(self) -> None:
        """Subscribes, and again whenever the connection is lost."""
        name = self._sentinel.name
        wait = SHORTEST_WAIT_SECONDS
        while not self._stop.is_set():
            self._connected = False
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:
                if self._connected or wait == SHORTEST_WAIT_SECONDS:
                    log(f"{name} is not heard: {error}")
            self._story.lost(name)
            wait = SHORTEST_WAIT_SECONDS if self._connected else wait
            self._stop.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _listen(self) -> None:
        """Until something fails. Raises redis.RedisError, OSError; ValueError for nonsense."""
        client = self._client()
        try:
            with client.pubsub() as subscription:
                subscription.psubscribe("*")
                # What is announced from here on waits in the subscription: nothing falls between.
                self._await(subscription, "psubscribe")
                self._story.connected(self._sentinel.name, self._view(client))
                self._connected = True
                log(f"{self._sentinel.name} is heard")
                self._attend(client, subscription)
        finally:
            client.close()

    def _attend(self, client: Any, subscription: Any) -> None:
        name = self._sentinel.name
        heard = looked = time.monotonic()
        while not self._stop.is_set():
            message = subscription.get_message(timeout=LOOK_SECONDS / 4)
            moment = time.monotonic()
            if message is not None:
                heard = moment
                if message["type"] == "pmessage":
                    channel = message["channel"]
                    view = self._view(client) if channel == "+switch-master" else None
                    self._story.said(name, channel, message["data"], view)
            elif moment - heard > LOOK_SECONDS + ANSWER_SECONDS:
                # The way for commands may be fine while the subscription's is dead.
                raise redis.TimeoutError("the subscription is silent")
            if moment - looked >= LOOK_SECONDS:
                looked = moment
                subscription.ping()
                self._story.viewed(name, self._view(client))

    def _await(self, subscription: Any, kind: str) -> None:
        message = subscription.get_message(timeout=ANSWER_SECONDS)
        if message is None or message["type"] != kind:
            raise redis.TimeoutError(f"no answer to {kind}")

    def _view(self, client: Any) -> View:
        answer = client.execute_command("SENTINEL", "MASTER", self._service)
        found = dict(zip(answer[::2], answer[1::2], strict=True))
        try:
            return View(
                address=f"{found['ip']}:{found['port']}",
                epoch=int(found["config-epoch"]),
                flags=frozenset(found["flags"].split(",")),
            )
        except KeyError as error:
            raise ValueError(f"SENTINEL MASTER tells no {error}") from None

    def _client(self) -> Any:
        return redis.Redis(
            host=self._sentinel.host,
            port=self._sentinel.port,
            username=USER,
            password=self._password,
            ssl=True,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
            ssl_ca_certs=str(self._certificates.authority),
            ssl_certfile=str(self._certificates.certificate),
            ssl_keyfile=str(self._certificates.key),
            protocol=2,
            decode_responses=True,
            # A Sentinel's messages are its own; what else may come in is not worth an end.
            encoding_errors="replace",
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            # Not the library's: a subscription that was renewed behind one's back has a gap.
            retry=Retry(NoBackoff(), 0),
        )
