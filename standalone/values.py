"""Passwords, keys and certificates: made once, kept in the state, renewed in time."""

import datetime
import ipaddress
import secrets
import string
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Inputs = Mapping[str, Any]
Outputs = dict[str, Any]

KEY_USAGES = {
    "digital_signature": "digital_signature",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
}
EXTENDED_KEY_USAGES = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
}
CURVES: dict[str, type[ec.EllipticCurve]] = {"P256": ec.SECP256R1, "P384": ec.SECP384R1}
# Two machines' clocks differ a little: a certificate is valid from shortly before it was made.
CLOCK_SKEW = datetime.timedelta(minutes=5)


def random_password(inputs: Inputs) -> Outputs:
    """random:index/randomPassword:RandomPassword without special characters."""
    if inputs.get("special") is not False:
        raise ValueError("only passwords without special characters are known here")
    alphabet = string.ascii_letters + string.digits
    return {"result": "".join(secrets.choice(alphabet) for _ in range(int(inputs["length"])))}


def private_key(inputs: Inputs) -> Outputs:
    """tls:index/privateKey:PrivateKey on an elliptic curve."""
    if inputs["algorithm"] != "ECDSA":
        raise ValueError(f"key algorithm {inputs['algorithm']} is not known here")
    key = ec.generate_private_key(CURVES[inputs["ecdsaCurve"]]())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"privateKeyPem": private.decode(), "publicKeyPem": public.decode()}


def _load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("only elliptic-curve keys are known here")
    return key


def _subject(inputs: Inputs) -> x509.Name:
    subject = inputs.get("subject") or {}
    attributes = [
        x509.NameAttribute(oid, subject[key])
        for key, oid in (
            ("organization", NameOID.ORGANIZATION_NAME),
            ("commonName", NameOID.COMMON_NAME),
        )
        if subject.get(key)
    ]
    return x509.Name(attributes)


def _alternative_names(inputs: Inputs) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [x509.DNSName(n) for n in inputs.get("dnsNames") or ()]
    names += [x509.IPAddress(ipaddress.ip_address(a)) for a in inputs.get("ipAddresses") or ()]
    return x509.SubjectAlternativeName(names) if names else None


def cert_request(inputs: Inputs) -> Outputs:
    """tls:index/certRequest:CertRequest."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(inputs))
    names = _alternative_names(inputs)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    request = builder.sign(_load_key(inputs["privateKeyPem"]), hashes.SHA256())
    return {"certRequestPem": request.public_bytes(serialization.Encoding.PEM).decode()}


def _usages(builder: x509.CertificateBuilder, allowed: list[str]) -> x509.CertificateBuilder:
    flags = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    extended = []
    for usage in allowed:
        if usage in KEY_USAGES:
            flags[KEY_USAGES[usage]] = True
        elif usage in EXTENDED_KEY_USAGES:
            extended.append(EXTENDED_KEY_USAGES[usage])
        else:
            raise ValueError(f"certificate usage {usage} is not known here")
    builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    return builder


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    authority_key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName | None,
    inputs: Inputs,
) -> Outputs:
    start = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    end = start + datetime.timedelta(hours=int(inputs["validityPeriodHours"]))
    is_authority = bool(inputs.get("isCaCertificate"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
    )
    if inputs.get("setSubjectKeyId"):
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False
        )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    builder = _usages(builder, inputs["allowedUses"])
    certificate = builder.sign(authority_key, hashes.SHA256())
    return {
        "certPem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "validityStartTime": start.isoformat(),
        "validityEndTime": end.isoformat(),
        "readyForRenewal": False,
    }


def self_signed_cert(inputs: Inputs) -> Outputs:
    """tls:index/selfSignedCert:SelfSignedCert."""
    key = _load_key(inputs["privateKeyPem"])
    subject = _subject(inputs)
    return _certificate(subject, subject, key.public_key(), key, _alternative_names(inputs), inputs)


def locally_signed_cert(inputs: Inputs) -> Outputs:
    """tls:index/locallySignedCert:LocallySignedCert."""
    request = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    public_key = request.public_key()
    if not request.is_signature_valid or not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ValueError("the certificate request is not signed by an elliptic-curve key")
    authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    return _certificate(
        request.subject,
        authority.subject,
        public_key,
        _load_key(inputs["caPrivateKeyPem"]),
        names,
        inputs,
    )


def renewal_reason(inputs: Inputs, outputs: Outputs, now: datetime.datetime) -> str:
    """Why a certificate must be renewed now, or an empty text."""
    if "validityEndTime" not in outputs:
        return ""
    end = datetime.datetime.fromisoformat(outputs["validityEndTime"])
    early = datetime.timedelta(hours=int(inputs.get("earlyRenewalHours") or 0))
    if now < end - early:
        return ""
    return f"expires on {end:%Y-%m-%d}"


# Resource type → (what a person calls it, what makes it).
MAKERS: dict[str, tuple[str, Callable[[Inputs], Outputs]]] = {
    "random:index/randomPassword:RandomPassword": ("password", random_password),
    "tls:index/privateKey:PrivateKey": ("key", private_key),
    "tls:index/certRequest:CertRequest": ("request", cert_request),
    "tls:index/selfSignedCert:SelfSignedCert": ("certificate", self_signed_cert),
    "tls:index/locallySignedCert:LocallySignedCert": ("certificate", locally_signed_cert),
}
