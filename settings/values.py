"""Kinds of values that settings of more than one component have."""

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import Field

# A stack file has texts; each is one network, without host bits.
Network = Annotated[IPv4Network, Field(strict=False)]
ANYWHERE = IPv4Network("0.0.0.0/0")

Port = Annotated[int, Field(ge=1, le=65535)]
# Quorums: an even number survives no more failures than the odd one below it, and two survive none.
QuorumCount = Annotated[int, Field(ge=3, le=7)]


def must_be_odd(count: int) -> int:
    """A count of voters."""
    if count % 2 == 0:
        raise ValueError(
            f"must be odd (3, 5 or 7): {count} survives no more failures than {count - 1}"
        )
    return count
