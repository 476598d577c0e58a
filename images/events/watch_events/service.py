"""The program: watches Redis and PostgreSQL, keeps the journal, publishes it.

Reads from /etc/selfmonitor:
  events.json      {"listen_port": int, "sentinels": [{"name", "host", "port"}, ...],
                    "redis_members": {address: name}, "service": str,
                    "postgres_members": [name, ...], "rest_port": int}
  events.password  the password of the Sentinels' user `events`
  ca.crt, tls.crt, tls.key

SIGHUP: takes up renewed certificates for new connections. SIGTERM: ends.
"""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watch_events.certificates import Certificates
from watch_events.event import POSTGRES, REDIS, log
from watch_events.journal import Journal
from watch_events.notes import Notes
from watch_events.postgres_story import PostgresStory
from watch_events.postgres_watch import MemberWatch, ask
from watch_events.publish import Publisher
from watch_events.redis_story import RedisStory
from watch_events.redis_watch import SentinelWatch
from watch_events.settings import FILES, JOURNAL, Settings, load

# Followers get this long to be told that it ends.
FAREWELL_SECONDS = 0.5


class Service:
    """All of it, made but not started."""

    def __init__(
        self, settings: Settings, password: str, certificates: Certificates, journal: Path
    ) -> None:
        self.certificates = certificates
        self.stop = threading.Event()
        self.journal = Journal(journal)
        members = {
            POSTGRES: settings.postgres_members,
            REDIS: tuple(settings.redis_members.values()),
        }
        notes = Notes(members)
        self.redis = RedisStory(
            settings.service,
            tuple(sentinel.name for sentinel in settings.sentinels),
            settings.redis_members,
            self.journal,
            notes,
        )
        self.postgres = PostgresStory(
            settings.postgres_members,
            self.journal,
            notes,
            lambda member: ask(member, settings.rest_port, "/history", certificates),
        )
        self.publisher = Publisher(
            settings.listen_port, self.journal, notes, certificates, self.health
        )
        self.jobs: list[tuple[str, Callable[[], Any]]] = [
            ("publisher", self.publisher.serve_forever)
        ]
        for sentinel in settings.sentinels:
            watch = SentinelWatch(
                sentinel, settings.service, password, certificates, self.redis, self.stop
            )
            self.jobs.append((sentinel.name, watch.run))
        for member in settings.postgres_members:
            look = MemberWatch(member, settings.rest_port, certificates, self.postgres, self.stop)
            self.jobs.append((member, look.run))

    def health(self) -> dict[str, Any]:
        """Who is heard, and since when nobody answers."""
        return {POSTGRES: self.postgres.health(), REDIS: self.redis.health()}

    def start(self) -> None:
        """A thread for each job."""
        for name, job in self.jobs:
            threading.Thread(target=_or_end, args=(name, job), name=name, daemon=True).start()


def _or_end(name: str, job: Callable[[], Any]) -> None:
    """A watch that has died would look alive: the container ends with it and is started again."""
    try:
        job()
    except BaseException:  # noqa: BLE001 - whatever it is ends the program
        log(f"{name} failed: {' | '.join(traceback.format_exc().splitlines())}")
        os._exit(1)


def main(files: Path = FILES, journal: Path = JOURNAL) -> int:
    """Exit status 0: asked to end. Raises what makes it impossible to begin."""
    signals = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT}
    # Blocked in every thread and waited for in this one: none is lost, none interrupts a write.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    service = Service(
        load(files),
        (files / "events.password").read_text(encoding="utf-8").strip(),
        Certificates(files),
        journal,
    )
    service.start()
    log("watching")
    while (received := signal.sigwait(signals)) == signal.SIGHUP:
        service.certificates.reload()
    service.stop.set()
    service.journal.end()
    time.sleep(FAREWELL_SECONDS)
    log(f"ends: {signal.Signals(received).name}")
    return 0
