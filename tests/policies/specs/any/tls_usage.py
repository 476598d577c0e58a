"""Spec of any-tls-usage."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

WHERE = "allowedUses"


def certificate(*uses, authority=False):
    return resource(
        "tls:index/locallySignedCert:LocallySignedCert",
        "cert",
        {WHERE: list(uses), "isCaCertificate": authority},
    )


SPEC = Spec(
    passes={
        "a server": passes(certificate("digital_signature", "server_auth", "client_auth")),
        "an authority": passes(certificate("cert_signing", "crl_signing", authority=True)),
    },
    fails={
        "a server that signs": fails(
            certificate("server_auth", "cert_signing"), at=("cert", WHERE)
        ),
        "an authority that serves": fails(
            certificate("cert_signing", "server_auth", authority=True), at=("cert", WHERE)
        ),
        "an authority that does not sign": fails(
            certificate("crl_signing", authority=True), at=("cert", WHERE)
        ),
        "whatever": fails(certificate("any_extended"), at=("cert", WHERE)),
    },
    unknown={
        "for what": unseen(
            resource("tls:index/selfSignedCert:SelfSignedCert", "cert", {WHERE: UNKNOWN}),
            at=("cert", WHERE),
        )
    },
    not_applicable={"no certificate": passes(resource("tls:index/privateKey:PrivateKey", "key"))},
    mutations={
        "servers sign": edit(
            "production",
            "components/certificate_authority.py",
            '"server_auth", "client_auth"]',
            '"server_auth", "client_auth", "cert_signing"]',
        ),
        "the authority serves": edit(
            "local",
            "components/certificate_authority.py",
            '["cert_signing", "crl_signing"]',
            '["cert_signing", "crl_signing", "server_auth"]',
        ),
    },
)
