"""A certificate that is about to expire is renewed by `up` and reaches running servers."""

import datetime
import json
import socket
import ssl
import struct
import time

from cryptography import x509


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
    before = (served_by_router(25432), served_by_postgres(stack))
    for name in ("router-certificate", "postgres-member-certificate"):
        let_expire_soon(stack, name)
    plan = json.loads(stack.ok("preview", "-o", "json"))
    replaced = {s["name"] for s in plan["steps"] if s["kind"] == "certificate"}
    assert replaced == {"router-certificate", "postgres-member-certificate"}

    stack.ok("up")
    deadline = time.monotonic() + 60
    while True:
        now = (served_by_router(25432), served_by_postgres(stack))
        if now[0] != before[0] and now[1] != before[1]:
            break
        assert time.monotonic() < deadline, "the old certificates are still served"
        time.sleep(1)
    assert stack.becomes_healthy()
    with stack.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    after = {n: c.attrs["State"]["StartedAt"] for n, c in stack.containers("server").items()}
    assert after == started
    assert "nothing to change" in stack.ok("up")
