"""The stack's authorities and what they certify, verified as a peer would."""

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

LEAVES = {
    "postgres-member": "authority",
    "provision": "authority",
    "router": "authority",
    "etcd": "postgres-consensus-authority",
    "patroni": "postgres-consensus-authority",
}


def certificate(recording: Any, name: str) -> x509.Certificate:
    pem = recording.values[f"{name}-certificate"]["certPem"]
    return x509.load_pem_x509_certificate(pem.encode())


def verify(recording: Any, name: str, authority: str, dns_name: str) -> None:
    store = Store([certificate(recording, authority)])
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(dns_name))
    verifier.verify(certificate(recording, name), [])


def dns_names(found: x509.Certificate) -> list[str]:
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(("name", "authority"), LEAVES.items())
def test_every_certificate_is_valid_for_each_of_its_names_under_its_own_authority(
    local: Any, name: str, authority: str
) -> None:
    names = dns_names(certificate(local, name))
    assert names
    for each in names:
        verify(local, name, authority, each)


@pytest.mark.parametrize(("name", "authority"), LEAVES.items())
def test_no_certificate_is_valid_under_the_other_authority(
    local: Any, name: str, authority: str
) -> None:
    (other,) = set(LEAVES.values()) - {authority}
    with pytest.raises(VerificationError):
        verify(local, name, other, dns_names(certificate(local, name))[0])


def test_a_certificate_is_not_valid_for_a_name_of_another(local: Any) -> None:
    with pytest.raises(VerificationError):
        verify(local, "router", "authority", "postgres-1")


@pytest.mark.parametrize("name", LEAVES)
def test_every_certificate_serves_both_ends_of_a_connection_and_signs_nothing(
    local: Any, name: str
) -> None:
    extensions = certificate(local, name).extensions
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert key_usage.digital_signature
    assert not key_usage.key_cert_sign


@pytest.mark.parametrize("name", set(LEAVES.values()))
def test_an_authority_signs_and_does_nothing_else(local: Any, name: str) -> None:
    extensions = certificate(local, name).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert key_usage.key_cert_sign
    assert not key_usage.digital_signature


def test_members_are_known_by_each_of_their_names_and_by_the_clusters(local: Any) -> None:
    assert dns_names(certificate(local, "postgres-member")) == [
        *("postgres-1", "postgres-2", "postgres-3", "postgres", "localhost")
    ]


def test_a_router_is_known_by_the_address_clients_use(local: Any) -> None:
    names = certificate(local, "router").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = names.value.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1"]


def test_a_routers_certificate_has_both_addresses_when_clients_use_another(
    run_program: Any,
) -> None:
    found = run_program(configuration={"selfmonitor:bind_address": "192.168.7.9"})
    names = certificate(found, "router").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = names.value.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "192.168.7.9"]


def test_only_the_provisioning_job_has_a_certificate_in_the_superusers_name(local: Any) -> None:
    """pg_hba lets the superuser in with clientcert=verify-full: the common name decides."""
    common_names = {
        name: certificate(local, name).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        for name in LEAVES
    }
    assert [name for name, found in common_names.items() if found == "postgres"] == ["provision"]


def test_only_the_consensus_members_have_the_name_its_peers_ask_for(local: Any) -> None:
    bearers = [name for name in LEAVES if "consensus-peer" in dns_names(certificate(local, name))]
    assert bearers == ["etcd"]


def test_nobody_outside_the_consensus_store_but_patroni_has_a_certificate_for_it(
    local: Any,
) -> None:
    consensus = local.values["postgres-consensus-authority-certificate"]["certPem"]
    holders = set()
    for each in local.deliverers:
        files = {u["file"].rpartition("/")[2]: u["content"] for u in each.inputs["uploads"]}
        if consensus in files.values():
            holders.add(each.name.rpartition("-files")[0])
    assert holders == {f"{name}-{n}" for name in ("etcd", "postgres") for n in (1, 2, 3)}


def test_certificates_live_a_year_and_authorities_ten_by_default(local: Any) -> None:
    for name in (*LEAVES, *set(LEAVES.values())):
        found = certificate(local, name)
        days = (found.not_valid_after_utc - found.not_valid_before_utc) // datetime.timedelta(
            days=1
        )
        assert days == (365 if name in LEAVES else 3650)


def test_an_authority_is_renewed_before_it_can_outlive_what_it_signs(local: Any) -> None:
    for name, authority in LEAVES.items():
        signed = local.named("LocallySignedCert", f"{name}-certificate").inputs
        above = local.named("SelfSignedCert", f"{authority}-certificate").inputs
        assert above["earlyRenewalHours"] >= (
            signed["validityPeriodHours"] + signed["earlyRenewalHours"]
        )


def test_validity_and_renewal_come_from_the_stack_file(other: Any) -> None:
    signed = other.named("LocallySignedCert", "router-certificate").inputs
    assert (signed["validityPeriodHours"], signed["earlyRenewalHours"]) == (90 * 24, 10 * 24)
    above = other.named("SelfSignedCert", "authority-certificate").inputs
    assert (above["validityPeriodHours"], above["earlyRenewalHours"]) == (400 * 24, 100 * 24)


def test_every_key_is_on_the_p256_curve_and_its_own(local: Any) -> None:
    names = (*LEAVES, *set(LEAVES.values()))
    keys = [certificate(local, name).public_key() for name in names]
    assert all(
        isinstance(k, ec.EllipticCurvePublicKey) and k.curve.name == "secp256r1" for k in keys
    )
    assert len({k.public_numbers() for k in keys}) == len(names)  # type: ignore[union-attr]
