"""A client of Redis that may be told where a name leads."""

from typing import Any

import redis
from redis.connection import ConnectionPool, SSLConnection

from cli.drill.target import RedisAccess


class NamedConnection(SSLConnection):
    """Goes to an address, and wants the server's certificate to bear a name.

    What libpq calls host and hostaddr; redis-py has one of the two.
    """

    def __init__(self, *, name: str, **how: Any) -> None:
        super().__init__(**how)
        self._name = name

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        address, self.host = self.host, self._name
        try:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        finally:
            self.host = address


def through_router(access: RedisAccess, port: int, **how: Any) -> redis.Redis:
    """Over verified TLS; it connects when first used. how: further arguments of redis.Redis."""
    common = {
        "port": port,
        "username": access.username,
        "password": access.password,
        "ssl_ca_certs": access.ca_file,
        **how,
    }
    if access.address is None:
        return redis.Redis(host=access.host, ssl=True, **common)
    pool = ConnectionPool(
        connection_class=NamedConnection, name=access.host, host=access.address, **common
    )
    return redis.Redis.from_pool(pool)
