"""A certificate that is about to expire is renewed by `up` and reaches running servers."""

import datetime
import json
import socket
import ssl
import struct
import time
from itertools import pairwise

from cryptography import x509

REDIS_MEMBERS = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
RENEWED = {
    "router-certificate",
    "postgres-member-certificate",
    "redis-certificate",
    "sentinel-certificate",
}
# Files are looked at every 5 s, and the third Sentinel begins anew 30 s after the first.
SERVED_SECONDS = 120


def served_by_router(port: int) -> int:
    """Serial number of the certificate PgBouncer serves (after PostgreSQL's own STARTTLS)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as secured:
            der = secured.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def served_by_postgres(stack) -> int:
    command = "openssl s_client -connect localhost:5432 -starttls postgres </dev/null 2>/dev/null"
    command += " | openssl x509 -noout -serial"
    member = stack.containers("server")["postgres-1"]
    output = member.exec_run(["sh", "-c", command]).output.decode()
    return int(output.strip().removeprefix("serial="), 16)


def served_by_redis(stack, host, port):
    """Serial number of what a member, a Sentinel or a router serves; None: nobody is there."""
    files = stack.state_file.parent
    context = ssl.create_default_context(cafile=str(files / "ca.crt"))
    context.load_cert_chain(files / "application.crt", files / "application.key")
    try:
        with (
            socket.create_connection((host, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            der = secured.getpeercert(binary_form=True)
    except (ConnectionError, ssl.SSLEOFError):
        return None
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def served(stack):
    """{whoever serves a certificate: its serial number}."""
    return {
        "PgBouncer": served_by_router(25432),
        "PostgreSQL": served_by_postgres(stack),
        "HAProxy": served_by_redis(stack, "127.0.0.1", 25379),
        **{m: served_by_redis(stack, stack.address(m, "cache"), 6379) for m in REDIS_MEMBERS},
        **{s: served_by_redis(stack, stack.address(s, "cache"), 26379) for s in SENTINELS},
    }


def sentinels_started(stack):
    """When each Sentinel's process did, seconds, in order."""
    started = []
    for name in SENTINELS:
        password = stack.password("redis-password-keeper")
        with stack.redis(name, username="keeper", password=password) as client:
            started.append(time.monotonic() - client.info("server")["uptime_in_seconds"])
    return sorted(started)


def let_expire_soon(stack, name: str) -> None:
    state = json.loads(stack.state_file.read_text())
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=10)
    changed = 0
    for urn, entry in state["resources"].items():
        if urn.endswith(f"::{name}"):
            entry["outputs"]["validityEndTime"] = soon.isoformat()
            changed += 1
    assert changed == 1
    stack.state_file.write_text(json.dumps(state))


def test_renewed_certificates_are_served_without_a_restart(stack):
    stack.ok("up")
    started = {n: c.attrs["State"]["StartedAt"] for n, c in stack.containers("server").items()}
    before = served(stack)
    for name in RENEWED:
        let_expire_soon(stack, name)
    plan = json.loads(stack.ok("preview", "-o", "json"))
    replaced = {s["name"] for s in plan["steps"] if s["kind"] == "certificate"}
    assert replaced == RENEWED

    stack.ok("up")
    deadline = time.monotonic() + SERVED_SECONDS
    while late := [who for who, now in served(stack).items() if now in (None, before[who])]:
        assert time.monotonic() < deadline, f"still with the old certificate: {late}"
        time.sleep(1)
    # One after the other, so that there is a majority at every moment.
    assert all(later - earlier > 3 for earlier, later in pairwise(sentinels_started(stack)))
    assert stack.becomes_healthy()
    with stack.redis() as client:
        assert client.ping()
    with stack.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    after = {n: c.attrs["State"]["StartedAt"] for n, c in stack.containers("server").items()}
    assert after == started
    assert "nothing to change" in stack.ok("up")
