"""Names of WAL segments, and where on a timeline they lie."""

SEGMENT_BYTES = 16 * 1024 * 1024  # as initdb makes it
_PER_FILE = 0x1_0000_0000 // SEGMENT_BYTES


def following(segment: str) -> str:
    """The name of the segment after this one on the same timeline."""
    timeline, number = segment_number(segment)
    return segment_name(timeline, number + 1)


def segment_number(segment: str) -> tuple[int, int]:
    """(timeline, position on it) of a segment's name of 24 hexadecimal digits."""
    file, part = int(segment[8:16], 16), int(segment[16:], 16)
    return int(segment[:8], 16), file * _PER_FILE + part


def segment_name(timeline: int, number: int) -> str:
    """The reverse of segment_number."""
    file, part = divmod(number, _PER_FILE)
    return f"{timeline:08X}{file:08X}{part:08X}"


def lsn_bytes(text: str) -> int:
    """0/3000060 as a number of bytes."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def at_lsn(timeline: int, lsn: str) -> str:
    """The name of the segment that holds the byte at this LSN."""
    return segment_name(timeline, lsn_bytes(lsn) // SEGMENT_BYTES)
