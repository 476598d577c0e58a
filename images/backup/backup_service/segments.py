"""Names of WAL segments, and where on a timeline they lie.

How long a segment is, initdb decides (`pg_controldata` says it); `size` is that, bytes.
"""

LARGEST_FILE = 0x1_0000_0000


def timeline_of(segment: str) -> int:
    """The timeline in a segment's name of 24 hexadecimal digits."""
    return int(segment[:8], 16)


def following(segment: str, size: int) -> str:
    """The name of the segment after this one on the same timeline."""
    timeline, number = segment_number(segment, size)
    return segment_name(timeline, number + 1, size)


def segment_number(segment: str, size: int) -> tuple[int, int]:
    """(timeline, position on it) of a segment's name of 24 hexadecimal digits."""
    file, part = int(segment[8:16], 16), int(segment[16:], 16)
    return timeline_of(segment), file * (LARGEST_FILE // size) + part


def segment_name(timeline: int, number: int, size: int) -> str:
    """The reverse of segment_number."""
    file, part = divmod(number, LARGEST_FILE // size)
    return f"{timeline:08X}{file:08X}{part:08X}"


def lsn_bytes(text: str) -> int:
    """0/3000060 as a number of bytes."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def at_lsn(timeline: int, lsn: str, size: int) -> str:
    """The name of the segment that holds the byte at this LSN."""
    return segment_name(timeline, lsn_bytes(lsn) // size, size)
