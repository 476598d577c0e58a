"""The stack's own certificate authority, and every certificate it issues."""

from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

from settings.stack import CertificateSettings

HOURS_A_DAY = 24
# P-256: what every TLS 1.2 and 1.3 peer here speaks, at a fraction of RSA's handshake cost.
CURVE = "P256"


@dataclass(frozen=True)
class CertificateAuthorityArgs:
    """common_name: tells authorities apart where a person reads it in a certificate."""

    common_name: str
    settings: CertificateSettings


@dataclass(frozen=True)
class Certificate:
    """PEM texts; the key is a secret."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    authority: pulumi.Output[str]

    def files(self, prefix: str = "") -> dict[str, pulumi.Input[str]]:
        """As a workload receives them: ca.crt, tls.crt and tls.key, after a prefix.

        The certificate travels with its key, and so as a secret: both must arrive at running
        servers together, and neither may cause a replacement.
        """
        return {
            f"{prefix}ca.crt": self.authority,
            f"{prefix}tls.crt": self.certificate,
            f"{prefix}tls.key": self.key,
        }


class CertificateAuthority(pulumi.ComponentResource):
    """One self-signed authority a stack. Both ends of every hop verify against it.

    Certificates are renewed by the `up` that runs less than renew_before_days before they expire.
    """

    certificate: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: CertificateAuthorityArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("selfmonitor:security:CertificateAuthority", name, None, opts)
        self._name = name
        self._settings = args.settings
        self._key = tls.PrivateKey(
            f"{name}-key",
            algorithm="ECDSA",
            ecdsa_curve=CURVE,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._certificate = tls.SelfSignedCert(
            f"{name}-certificate",
            private_key_pem=self._key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=args.common_name, organization="selfmonitor"
            ),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=args.settings.authority_validity_days * HOURS_A_DAY,
            # The authority must outlive what it signs.
            early_renewal_hours=(args.settings.validity_days + args.settings.renew_before_days)
            * HOURS_A_DAY,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.certificate = self._certificate.cert_pem
        self.register_outputs({"certificate": self.certificate})

    def issue(
        self,
        name: str,
        common_name: str,
        dns_names: tuple[str, ...],
        ip_addresses: tuple[str, ...] = (),
    ) -> Certificate:
        """A certificate for both directions: its holder serves and is a client of its peers."""
        child = pulumi.ResourceOptions(parent=self)
        key = tls.PrivateKey(f"{name}-key", algorithm="ECDSA", ecdsa_curve=CURVE, opts=child)
        request = tls.CertRequest(
            f"{name}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=common_name, organization="selfmonitor"),
            dns_names=list(dns_names),
            ip_addresses=list(ip_addresses),
            opts=child,
        )
        signed = tls.LocallySignedCert(
            f"{name}-certificate",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._key.private_key_pem,
            ca_cert_pem=self._certificate.cert_pem,
            allowed_uses=["digital_signature", "server_auth", "client_auth"],
            validity_period_hours=self._settings.validity_days * HOURS_A_DAY,
            early_renewal_hours=self._settings.renew_before_days * HOURS_A_DAY,
            opts=child,
        )
        return Certificate(signed.cert_pem, key.private_key_pem, self.certificate)
