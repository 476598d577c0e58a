"""Redis as the drill's store, with the real client library against servers that only answer."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.drill import redis_store
from cli.drill.journal import Outcome
from cli.drill.redis_store import KEYS, RedisStore, openers
from cli.drill.store import StoreError, Way
from cli.drill.writer import Writer
from cli.redis import RedisAccess

SECRET = "correct horse"


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self._sign(self.name, self.key, authority=True))

    def _sign(
        self, name: x509.Name, key: Any, *, address: str = "", authority: bool = False
    ) -> Any:
        """address: or a name."""
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if address:
            known: x509.GeneralName = x509.DNSName(address)
            if address[0].isdigit():
                known = x509.IPAddress(ip_address(address))
            alternative = x509.SubjectAlternativeName([known])
            built = built.add_extension(alternative, critical=False)
        made = built.sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, address: str = "") -> tuple[str, str]:
        """Paths of a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(self._sign(subject, key, address=address))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(certificate), str(private)


class Server:
    """Speaks Redis's protocol over TLS: sets in memory, and what a Sentinel says.

    `answer` may give another reply to a command, as raw bytes, or b"" to hang up without one.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.sets: dict[str, set[str]] = {}
        self.commands: list[list[str]] = []
        self.answer: Callable[[list[str]], bytes | None] = lambda command: None
        self.primary: tuple[str, int] | None = None
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.serve(self.rfile, self.wfile)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                plain, address = super().get_request()
                plain.settimeout(5)
                return context.wrap_socket(plain, server_side=True), address

            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port = int(self._listener.server_address[1])
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def serve(self, incoming: Any, outgoing: Any) -> None:
        known = False
        while line := incoming.readline():
            command = []
            for _ in range(int(line[1:])):
                length = int(incoming.readline()[1:])
                command.append(incoming.read(length + 2)[:length].decode())
            self.commands.append(command)
            if command[0] == "AUTH":
                known = command[1:] == ["application", SECRET]
                reply = b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair\r\n"
            elif not known:
                reply = b"-NOAUTH Authentication required.\r\n"
            else:
                special = self.answer(command)
                reply = self._reply(command) if special is None else special
            if not reply:
                return
            outgoing.write(reply)

    def _reply(self, command: list[str]) -> bytes:
        match command:
            case ["SADD", key, member]:
                self.sets.setdefault(key, set()).add(member)
                return b":1\r\n"
            case ["SMEMBERS", key]:
                members = sorted(self.sets.get(key, ()))
                return bulk(members)
            case ["UNLINK", *keys]:
                for key in keys:
                    self.sets.pop(key, None)
                return b":1\r\n"
            case ["WAIT", replicas, _]:
                return f":{replicas}\r\n".encode()
            case ["SENTINEL", "MASTERS"] if self.primary:
                host, port = self.primary
                return b"*1\r\n" + bulk(
                    f"name main ip {host} port {port} flags master num-other-sentinels 2".split()
                )
            case ["SENTINEL", "MASTERS"]:
                return b"*0\r\n"
        return f"-ERR unknown command '{command[0]}'\r\n".encode()


def bulk(values: list[str]) -> bytes:
    """A list of strings as Redis sends it."""
    return b"".join(
        [f"*{len(values)}\r\n".encode(), *(f"${len(v)}\r\n{v}\r\n".encode() for v in values)]
    )


@dataclass(frozen=True)
class Stage:
    """A router that wants no certificate of a client, a primary and a Sentinel that do."""

    router: Server
    primary: Server
    sentinel: Server
    access: RedisAccess

    def store(self, wait: int = 0, **changes: Any) -> RedisStore:
        return RedisStore(openers(replace(self.access, **changes)), wait)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(autouse=True)
def no_authorities_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client library reads them all at every connection, which takes a tenth of a second."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


Serve = Callable[..., Server]


@pytest.fixture
def serve(authority: Authority) -> Iterator[Serve]:
    """Starts servers on 127.0.0.1, with a certificate for that or another address."""
    servers: list[Server] = []

    def start(*, mutual: bool = False, address: str = "127.0.0.1") -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("server", address))
        if mutual:
            context.load_verify_locations(authority.file)
            context.verify_mode = ssl.CERT_REQUIRED
        servers.append(Server(context))
        return servers[-1]

    yield start
    for each in servers:
        each.stop()


@pytest.fixture
def stage(authority: Authority, serve: Serve) -> Stage:
    router, primary, sentinel = serve(), serve(mutual=True), serve(mutual=True)
    router.sets = primary.sets  # one Redis behind both
    sentinel.primary = ("127.0.0.1", primary.port)
    mine = authority.issue("application")
    return Stage(
        router,
        primary,
        sentinel,
        RedisAccess(
            host="127.0.0.1",
            ports=(router.port, 1),
            sentinels=(("127.0.0.1", unused_port()), ("127.0.0.1", sentinel.port)),
            service="main",
            username="application",
            password=SECRET,
            ca_file=str(authority.file),
            certificate_file=mine[0],
            key_file=mine[1],
        ),
    )


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def way(stage: Stage, path: str, wait: int = 0, **changes: Any) -> Way:
    (found,) = [w for w in stage.store(wait, **changes).ways("r", 2) if w.path == path]
    return found


PATHS = pytest.mark.parametrize("path", ["router", "sentinel"])


def server_of(stage: Stage, path: str) -> Server:
    return stage.router if path == "router" else stage.primary


def test_without_sentinels_that_can_be_reached_there_is_one_way(stage: Stage) -> None:
    store = stage.store(sentinels=())
    store.create()
    assert [w.path for w in store.ways("r", 3)] == ["router"] * 3


def test_a_name_that_leads_nowhere_here_is_verified_at_the_address_it_stands_for(
    stage: Stage, serve: Serve
) -> None:
    named = serve(address="router-clients.shop.svc")
    named.sets = stage.router.sets
    how: dict[str, Any] = {
        "ports": (named.port,),
        "address": "127.0.0.1",
        "sentinels": (),
    }
    (good,) = stage.store(host="router-clients.shop.svc", **how).ways("r", 1)
    session = good.open()
    assert session.insert(1) is None
    session.close()
    assert stage.store(sentinels=()).rows("r")
    (bad,) = stage.store(host="other.shop.svc", **how).ways("r", 1)
    with pytest.raises(StoreError, match="certificate"):
        bad.open()


def test_clients_take_both_ways_and_every_row_is_read_back(stage: Stage) -> None:
    store = stage.store()
    ways = store.ways("r", 5)
    assert [w.path for w in ways] == ["router", "sentinel", "router", "sentinel", "router"]
    for client, each in enumerate(ways):
        session = each.open()
        for seq in range(client + 1):
            assert session.insert(seq) is None
        session.close()
    assert sorted(store.rows("r")) == [(c, s) for c in range(5) for s in range(c + 1)]
    assert store.rows("another") == []
    assert not [c for c in stage.router.commands if c[0] == "WAIT"]
    assert len([c for c in stage.primary.commands if c[0] == "SADD" and c[1] != KEYS]) == 2 + 4


def test_one_client_cannot_take_two_ways(stage: Stage) -> None:
    with pytest.raises(ValueError, match="1 clients cannot take 2 paths"):
        stage.store().ways("r", 1)


def test_dropping_takes_the_drills_own_keys_and_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "KEYS_AT_ONCE", 2)
    stage.router.sets["the application's"] = {"1"}
    store = stage.store()
    for each in store.ways("r", 5):
        session = each.open()
        session.insert(0)
        session.close()
    assert len(stage.router.sets) == 1 + 5 + 1
    store.drop()
    assert stage.router.sets == {"the application's": {"1"}}


def test_create_tries_both_ways_and_clears_what_a_killed_drill_left(stage: Stage) -> None:
    stage.router.sets.update({KEYS: {f"{KEYS}:old:0"}, f"{KEYS}:old:0": {"1", "2"}})
    stage.store().create()
    assert stage.router.sets == {}
    stage.sentinel.primary = None
    with pytest.raises(StoreError, match=r"^No master found for 'main'$"):
        stage.store().create()


@PATHS
def test_a_server_of_another_authority_is_not_trusted(
    path: str, stage: Stage, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    with pytest.raises(StoreError):
        way(stage, path, ca_file=str(stranger.file)).open()
    assert not server_of(stage, path).commands, "not even a password was sent"


def test_a_certificate_for_another_address_is_not_accepted(stage: Stage, serve: Serve) -> None:
    impostor = serve(address="127.0.0.9")
    with pytest.raises(StoreError, match="IP address mismatch"):
        way(stage, "router", ports=(impostor.port,)).open()
    stage.sentinel.primary = ("127.0.0.1", impostor.port)
    with pytest.raises(StoreError, match="IP address mismatch"):
        way(stage, "sentinel").open()
    impostor.primary = ("127.0.0.1", stage.primary.port)
    with pytest.raises(StoreError, match="No master found"):
        way(stage, "sentinel", sentinels=(("127.0.0.1", impostor.port),)).open()
    assert not impostor.commands, "not even a password was sent"


def test_a_wrong_password_is_said_to_be_one(stage: Stage) -> None:
    with pytest.raises(StoreError, match="invalid username-password pair") as caught:
        way(stage, "router", password="wrong").open()
    assert caught.value.seen.code == "WRONGPASS"
    with pytest.raises(StoreError, match="No master found"):
        way(stage, "sentinel", password="wrong").open()


@PATHS
@pytest.mark.parametrize(
    "reply",
    [
        "READONLY You can't write against a read only replica.",
        "NOREPLICAS Not enough good replicas to write.",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOAUTH Authentication required.",
        "NOPERM User application has no permissions to run the 'sadd' command",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ],
)
def test_what_redis_refuses_was_not_done(path: str, reply: str, stage: Stage) -> None:
    session = way(stage, path).open()
    server_of(stage, path).answer = lambda command: f"-{reply}\r\n".encode()
    with pytest.raises(StoreError) as caught:
        session.insert(0)
    assert caught.value.refused
    assert caught.value.seen.code == reply.partition(" ")[0]
    session.close()


@PATHS
def test_any_other_error_leaves_it_open(path: str, stage: Stage) -> None:
    session = way(stage, path).open()
    server_of(stage, path).answer = lambda command: b"-ERR something else\r\n"
    with pytest.raises(StoreError) as caught:
        session.insert(0)
    assert not caught.value.refused
    session.close()


@PATHS
def test_a_connection_lost_after_sending_leaves_it_open_and_is_not_tried_again(
    path: str, stage: Stage
) -> None:
    session = way(stage, path).open()
    server = server_of(stage, path)
    before = len(server.commands)
    server.answer = lambda command: b""
    with pytest.raises(StoreError) as caught:
        session.insert(0)
    assert not caught.value.refused
    assert caught.value.seen.type == "ConnectionError"
    assert [command[0] for command in server.commands[before:]] == ["SADD"]
    session.close()


@PATHS
def test_an_answer_that_does_not_come_leaves_it_open(
    path: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "ANSWER_SECONDS", 0.2)
    session = way(stage, path).open()
    released = threading.Event()

    def wait(command: list[str]) -> bytes:
        released.wait(5)
        return b""

    server_of(stage, path).answer = wait
    with pytest.raises(StoreError) as caught:
        session.insert(0)
    released.set()
    assert not caught.value.refused
    assert caught.value.seen.type == "TimeoutError"
    session.close()


@PATHS
def test_each_row_waits_for_replicas_where_asked(path: str, stage: Stage) -> None:
    session = way(stage, path, wait=2).open()
    assert session.insert(0) is None
    server = server_of(stage, path)
    assert [command for command in server.commands if command[0] == "WAIT"] == [
        ["WAIT", "2", "1000"]
    ]
    server.answer = lambda command: b":1\r\n" if command[0] == "WAIT" else None
    doubt = session.insert(1)
    assert doubt is not None
    assert doubt.type == "Unconfirmed"
    assert stage.router.sets[f"{KEYS}:r:{0 if path == 'router' else 1}"] == {"0", "1"}
    session.close()


@PATHS
def test_what_is_refused_after_the_row_is_there_leaves_it_open(path: str, stage: Stage) -> None:
    session = way(stage, path, wait=1).open()
    server_of(stage, path).answer = lambda command: (
        b"-NOREPLICAS Not enough good replicas to write.\r\n" if command[0] == "WAIT" else None
    )
    with pytest.raises(StoreError) as caught:
        session.insert(0)
    assert not caught.value.refused
    session.close()


def test_the_primary_is_asked_for_anew_at_every_connection(stage: Stage) -> None:
    sentinel_way = way(stage, "sentinel")
    sentinel_way.open().close()
    stage.sentinel.primary = ("127.0.0.1", stage.router.port)
    before = len(stage.primary.commands)
    session = sentinel_way.open()
    session.insert(7)
    session.close()
    assert len(stage.primary.commands) == before
    assert ["SADD", f"{KEYS}:r:1", "7"] in stage.router.commands


def test_a_server_that_is_not_there_is_an_error_of_the_store(stage: Stage) -> None:
    with pytest.raises(StoreError, match="Connection refused"):
        way(stage, "router", ports=(unused_port(),)).open()


@pytest.mark.usefixtures("no_thread_left")
def test_a_writer_goes_on_after_its_primary_was_demoted(stage: Stage) -> None:
    writer = Writer(stage.store().ways("r", 2))
    refusals = iter(range(10**6))

    def refuse_for_a_while(command: list[str]) -> bytes | None:
        if command[0] == "SADD" and command[1] != KEYS and 5 <= next(refusals) < 8:
            return b"-READONLY You can't write against a read only replica.\r\n"
        return None

    stage.primary.answer = stage.router.answer = refuse_for_a_while
    writer.start()
    while writer.acknowledged < 40:
        threading.Event().wait(0.005)
    journal = writer.stop()
    outcomes = [outcome for client in journal.clients for outcome in client.outcomes]
    assert outcomes.count(Outcome.REFUSED) == 3
    assert outcomes.count(Outcome.UNKNOWN) == 0
    ((error, count),) = journal.errors.items()
    assert (error.type, error.code, count) == ("ReadOnlyError", "READONLY", 3)
    assert len(stage.store().rows("r")) == len(journal.acknowledged_at())
