"""Names, labels and addresses of a stack's objects on Docker.

The program writes them and the operator's commands find things by them.
"""

import re
from ipaddress import IPv4Address, IPv4Network

from platforms.workload import Peer, Segment

LABEL_STACK = "io.selfmonitor.stack"
LABEL_WORKLOAD = "io.selfmonitor.workload"
LABEL_MEMBER = "io.selfmonitor.member"
LABEL_ROLE = "io.selfmonitor.role"
LABEL_FILES = "io.selfmonitor.files"
LABEL_ADDRESSES = "io.selfmonitor.addresses"
# Which volume this is, where no Pulumi engine made it; of a container: which it was made with.
LABEL_IDENTITY = "io.selfmonitor.identity"
LABEL_WAITS_FOR = "io.selfmonitor.waits-for"

ROLE_SERVER = "server"
ROLE_JOB = "job"
ROLE_FILES = "files"
ROLE_DATA = "data"
# A container that does harm to another one, in a drill.
ROLE_FAULT = "fault"

# A segment is a /24; each workload has a block of 16 addresses in it, the first block being the
# gateway's.
SEGMENT_PREFIX = 24
BLOCK = 16
HIGHEST_ORDINAL = 256 // BLOCK - 1


def object_name(stack: str, part: str) -> str:
    """Name of a container, volume or network."""
    return f"selfmonitor-{stack}-{part}"


def segment_network(subnet: IPv4Network, segment: Segment) -> IPv4Network:
    """The addresses of one segment."""
    position = list(Segment).index(segment)
    base = int(subnet.network_address) + position * 2 ** (32 - SEGMENT_PREFIX)
    return IPv4Network((base, SEGMENT_PREFIX))


def member_address(subnet: IPv4Network, segment: Segment, peer: Peer, index: int) -> IPv4Address:
    """The fixed address of replica `index` (from 0) in a segment.

    Fixed, because a stopped container's name no longer resolves on Docker, and what looks it up
    at that moment (Patroni, HAProxy, Sentinel) must not wait for an answer that never comes.
    """
    if not 1 <= peer.ordinal <= HIGHEST_ORDINAL:
        raise ValueError(f"{peer.name}: ordinal {peer.ordinal} is not 1–{HIGHEST_ORDINAL}")
    if index >= BLOCK:
        raise ValueError(f"{peer.name}: at most {BLOCK} replicas have addresses")
    return segment_network(subnet, segment)[peer.ordinal * BLOCK + index]


def duration(seconds: int) -> str:
    """Seconds as Go writes them, e.g. 2m0s: the provider reads back this form, and any other
    would differ from it at every preview.
    """
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def duration_seconds(text: str) -> int:
    """The inverse of `duration`."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))
