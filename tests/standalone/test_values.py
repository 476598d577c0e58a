"""Passwords, keys and certificates, used for real."""

import datetime
import socket
import ssl
import string
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from standalone.values import (
    MAKERS,
    cert_request,
    locally_signed_cert,
    private_key,
    random_password,
    renewal_reason,
    self_signed_cert,
)

KEY = {"algorithm": "ECDSA", "ecdsaCurve": "P256"}
NOW = datetime.datetime.now(datetime.UTC)


def authority(name: str = "test authority") -> dict[str, str]:
    key = private_key(KEY)["privateKeyPem"]
    made = self_signed_cert(
        {
            "privateKeyPem": key,
            "subject": {"commonName": name, "organization": "selfmonitor"},
            "isCaCertificate": True,
            "setSubjectKeyId": True,
            "allowedUses": ["cert_signing", "crl_signing"],
            "validityPeriodHours": 48,
        }
    )
    return {"key": key, "cert": made["certPem"]}


def leaf(
    above: dict[str, str], *names: str, hours: int = 24, addresses: tuple[str, ...] = ()
) -> dict[str, str]:
    key = private_key(KEY)["privateKeyPem"]
    request = cert_request(
        {
            "privateKeyPem": key,
            "subject": {"commonName": names[0], "organization": "selfmonitor"},
            "dnsNames": list(names),
            "ipAddresses": list(addresses),
        }
    )
    made = locally_signed_cert(
        {
            "certRequestPem": request["certRequestPem"],
            "caPrivateKeyPem": above["key"],
            "caCertPem": above["cert"],
            "allowedUses": ["digital_signature", "server_auth", "client_auth"],
            "validityPeriodHours": hours,
        }
    )
    return {"key": key, "cert": made["certPem"]}


def loaded(found: dict[str, str]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(found["cert"].encode())


# Passwords.


def test_a_password_has_its_length_and_letters_and_digits_only() -> None:
    made = random_password({"length": 200, "special": False})["result"]
    assert len(made) == 200
    assert set(made) <= set(string.ascii_letters + string.digits)
    assert {str.isupper, str.islower, str.isdigit} == {
        kind for kind in (str.isupper, str.islower, str.isdigit) if any(map(kind, made))
    }


def test_no_password_is_made_twice() -> None:
    made = {random_password({"length": 32, "special": False})["result"] for _ in range(200)}
    assert len(made) == 200


@pytest.mark.parametrize("special", [{}, {"special": True}, {"special": None}])
def test_a_password_with_special_characters_is_refused(special: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without special characters"):
        random_password({"length": 8, **special})


# Keys.


@pytest.mark.parametrize(("curve", "name"), [("P256", "secp256r1"), ("P384", "secp384r1")])
def test_a_key_is_on_the_curve_asked_for(curve: str, name: str) -> None:
    made = private_key({"algorithm": "ECDSA", "ecdsaCurve": curve})
    key = load_pem_private_key(made["privateKeyPem"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == name


def test_a_key_is_in_the_form_every_server_here_reads() -> None:
    assert private_key(KEY)["privateKeyPem"].startswith("-----BEGIN EC PRIVATE KEY-----\n")


def test_a_key_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="key algorithm RSA is not known here"):
        private_key({"algorithm": "RSA"})


# Certificates.


def test_a_signed_certificate_verifies_for_its_names_and_no_other() -> None:
    above = authority()
    made = loaded(leaf(above, "a.example", "b.example"))
    policy = PolicyBuilder().store(Store([loaded(above)]))
    for name in ("a.example", "b.example"):
        assert policy.build_server_verifier(x509.DNSName(name)).verify(made, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("c.example")).verify(made, [])


def test_a_signed_certificate_verifies_for_a_client_too() -> None:
    above = authority()
    made = loaded(leaf(above, "a.example"))
    found = PolicyBuilder().store(Store([loaded(above)])).build_client_verifier().verify(made, [])
    assert len(found.chain) == 2


def test_another_authority_of_the_same_name_verifies_nothing() -> None:
    made = loaded(leaf(authority("same"), "a.example"))
    other = PolicyBuilder().store(Store([loaded(authority("same"))]))
    with pytest.raises(VerificationError):
        other.build_server_verifier(x509.DNSName("a.example")).verify(made, [])


def test_a_certificate_is_not_valid_after_its_time() -> None:
    above = authority()
    made = loaded(leaf(above, "a.example", hours=2))
    store = Store([loaded(above)])
    for hours, valid in ((1, True), (3, False)):
        now = datetime.datetime.now(datetime.UTC)
        at = PolicyBuilder().store(store).time(now + datetime.timedelta(hours=hours))
        verifier = at.build_server_verifier(x509.DNSName("a.example"))
        if valid:
            assert verifier.verify(made, [])
        else:
            with pytest.raises(VerificationError):
                verifier.verify(made, [])


def test_a_machine_whose_clock_is_a_little_behind_accepts_a_new_certificate() -> None:
    made = loaded(leaf(authority(), "a.example"))
    now = datetime.datetime.now(datetime.UTC)
    assert made.not_valid_before_utc <= now - datetime.timedelta(minutes=4)


def test_a_leaf_signs_nothing_that_verifies() -> None:
    above = authority()
    middle = leaf(above, "a.example")
    made = loaded(leaf(middle, "b.example"))
    verifier = (
        PolicyBuilder()
        .store(Store([loaded(above)]))
        .build_server_verifier(x509.DNSName("b.example"))
    )
    with pytest.raises(VerificationError):
        verifier.verify(made, [loaded(middle)])


def test_serial_numbers_differ() -> None:
    above = authority()
    assert len({loaded(leaf(above, "a.example")).serial_number for _ in range(5)}) == 5


def test_a_usage_nobody_knows_is_refused_by_name() -> None:
    key = private_key(KEY)["privateKeyPem"]
    with pytest.raises(ValueError, match="usage mind_reading is not known here"):
        self_signed_cert(
            {"privateKeyPem": key, "allowedUses": ["mind_reading"], "validityPeriodHours": 1}
        )


def test_a_request_that_was_tampered_with_is_not_signed() -> None:
    above = authority()
    key = private_key(KEY)["privateKeyPem"]
    request = cert_request({"privateKeyPem": key, "dnsNames": ["a.example"]})["certRequestPem"]
    der = x509.load_pem_x509_csr(request.encode()).public_bytes(Encoding.DER)
    bad = x509.load_der_x509_csr(der.replace(b"a.example", b"b.example"))
    with pytest.raises(ValueError, match="is not signed by an elliptic-curve key"):
        locally_signed_cert(
            {
                "certRequestPem": bad.public_bytes(Encoding.PEM).decode(),
                "caPrivateKeyPem": above["key"],
                "caCertPem": above["cert"],
                "allowedUses": ["server_auth"],
                "validityPeriodHours": 1,
            }
        )


def test_a_request_by_a_key_of_another_kind_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="only elliptic-curve keys"):
        cert_request({"privateKeyPem": pem, "dnsNames": ["a.example"]})


def test_openssl_agrees(tmp_path: Path) -> None:
    above = authority()
    made = leaf(above, "a.example", addresses=("10.1.2.3",))
    (tmp_path / "ca.crt").write_text(above["cert"])
    (tmp_path / "tls.crt").write_text(made["cert"])

    def verify(*more: str) -> int:
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
        files = ["-CAfile", str(tmp_path / "ca.crt"), *more, str(tmp_path / "tls.crt")]
        return subprocess.run([*command, *files], capture_output=True, check=False).returncode

    assert verify("-verify_hostname", "a.example") == 0
    assert verify("-verify_ip", "10.1.2.3") == 0
    assert verify("-verify_hostname", "b.example") != 0


# A real handshake.


class Peers:
    """Two ends of a TLS connection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.above = authority()
        self.file("ca.crt", self.above["cert"])

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def context(self, purpose: ssl.Purpose, own: dict[str, str] | None) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=str(self.folder / "ca.crt"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if own is not None:
            certificate = self.file("own.crt", own["cert"])
            context.load_cert_chain(certificate, self.file("own.key", own["key"]))
        return context

    def exchange(
        self, server: dict[str, str], client: dict[str, str] | None, name: str
    ) -> tuple[bytes, str]:
        """What the client read, and the name the server saw. Raises what either end raised."""
        serving = self.context(ssl.Purpose.CLIENT_AUTH, server)
        serving.verify_mode = ssl.CERT_REQUIRED
        asking = self.context(ssl.Purpose.SERVER_AUTH, client)
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.settimeout(5)
        failures: list[BaseException] = []
        seen: list[str] = []

        def serve() -> None:
            try:
                with serving.wrap_socket(theirs, server_side=True) as connection:
                    subject = (connection.getpeercert() or {})["subject"]
                    seen.append(str(dict(pair for part in subject for pair in part)["commonName"]))
                    connection.sendall(b"let in")
            except (OSError, ssl.SSLError) as error:
                failures.append(error)
            finally:
                theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with asking.wrap_socket(ours, server_hostname=name) as connection:
                answer = connection.recv(100)
        finally:
            ours.close()
            thread.join(5)
        if failures:
            raise failures[0]
        return answer, seen[0]


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    return Peers(tmp_path)


def test_two_peers_of_one_authority_talk_and_know_each_other(peers: Peers) -> None:
    server, client = leaf(peers.above, "server"), leaf(peers.above, "client")
    assert peers.exchange(server, client, "server") == (b"let in", "client")


def test_a_client_without_a_certificate_is_refused(peers: Peers) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required|did not return"):
        peers.exchange(leaf(peers.above, "server"), None, "server")


def test_a_client_of_another_authority_is_refused(peers: Peers) -> None:
    stranger = leaf(authority("test authority"), "client")
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca|verify.failed|decrypt"):
        peers.exchange(leaf(peers.above, "server"), stranger, "server")


def test_a_server_of_another_name_is_refused_by_the_client(peers: Peers) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        peers.exchange(leaf(peers.above, "server"), leaf(peers.above, "client"), "other")


def test_a_server_of_another_authority_is_refused_by_the_client(peers: Peers) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        peers.exchange(leaf(authority(), "server"), leaf(peers.above, "client"), "server")


# Renewal.


def reason(*, ends_in_days: float, early_days: int | None) -> str:
    end = NOW + datetime.timedelta(days=ends_in_days)
    inputs = {} if early_days is None else {"earlyRenewalHours": early_days * 24}
    return renewal_reason(inputs, {"validityEndTime": end.isoformat()}, NOW)


@pytest.mark.parametrize(
    ("ends_in_days", "early_days", "renewed"),
    [
        (31, 30, False),
        (30.01, 30, False),
        (30, 30, True),
        (1, 30, True),
        (-1, 30, True),
        (1, None, False),
        (-0.01, None, True),
        (1, 0, False),
    ],
)
def test_a_certificate_is_renewed_inside_its_window_and_not_before(
    ends_in_days: float, early_days: int | None, renewed: bool
) -> None:
    found = reason(ends_in_days=ends_in_days, early_days=early_days)
    end = NOW + datetime.timedelta(days=ends_in_days)
    assert found == (f"expires on {end:%Y-%m-%d}" if renewed else "")


def test_what_has_no_end_is_never_renewed() -> None:
    assert renewal_reason({"length": 8}, {"result": "x"}, NOW) == ""


def test_the_end_a_certificate_is_recorded_with_is_its_own() -> None:
    key = private_key(KEY)["privateKeyPem"]
    inputs = {"privateKeyPem": key, "allowedUses": ["cert_signing"], "validityPeriodHours": 5}
    made = self_signed_cert(inputs)
    certificate = x509.load_pem_x509_certificate(made["certPem"].encode())
    assert datetime.datetime.fromisoformat(made["validityEndTime"]) == (
        certificate.not_valid_after_utc
    )
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)


def test_every_kind_of_value_the_program_uses_can_be_made(local: Any) -> None:
    used = {each.type for each in local.requests if each.type.startswith(("random:", "tls:"))}
    assert used == MAKERS.keys()
