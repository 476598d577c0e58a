"""Who was primary when, and why it changed: watched, kept, and told to whoever asks."""

import json
from dataclasses import dataclass

import pulumi

from components.context import Context
from components.postgres_configuration import REST_PORT
from components.postgres_ha import PostgresHA
from components.probes import https_probe
from components.redis_sentinel import SENTINEL_PORT, SERVICE, RedisSentinel
from platforms.workload import Data, Peer, Port, Readiness, Segment, Workload

PORT = 8010
MEMORY_MIB = 96


@dataclass(frozen=True)
class EventsArgs:
    """Whom it watches."""

    postgres: PostgresHA
    redis: RedisSentinel
    context: Context


class Events(pulumi.ComponentResource):
    """One small watcher; what happens while it is down it finds out when it is back."""

    def __init__(
        self, name: str, args: EventsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:monitoring:Events", name, None, opts)
        context = args.context
        ports = (Port("events", PORT),)
        peer = Peer("events", 7, 1, (Segment.CACHE, Segment.DATA), ports)
        certificate = context.authority.issue(
            "events",
            common_name="events",
            dns_names=(*peer.members, "events", "localhost"),
            ip_addresses=("127.0.0.1",),
        )
        configuration = {
            "listen_port": PORT,
            "sentinels": [
                {"name": sentinel, "host": address, "port": SENTINEL_PORT}
                for sentinel, address in args.redis.sentinel_addresses().items()
            ],
            "redis_members": {a: member for member, a in args.redis.addresses().items()},
            "service": SERVICE,
            "postgres_members": list(args.postgres.members.members),
            "rest_port": REST_PORT,
        }
        workload = Workload(
            **vars(peer),
            image="events",
            memory_mib=MEMORY_MIB,
            cpus=0.5,
            files={"events.json": json.dumps(configuration, sort_keys=True)},
            secret_files={
                **certificate.files(),
                "events.password": args.redis.passwords["events"],
            },
            data=Data("/var/lib/events"),
            scratch={"/tmp": 16},
            talks_to=(args.postgres.members,),
            asks=(args.redis.sentinels,),
            readiness=Readiness(
                https_probe(PORT, "/health"), meaning="the journal of events to be writable"
            ),
        )
        # Nothing waits for it, and it waits for nobody but those it asks.
        context.platform.run(workload, self, after=args.postgres.servers)
        self.register_outputs({})
