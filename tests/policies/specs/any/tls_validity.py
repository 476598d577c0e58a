"""Spec of any-tls-validity."""

from policy_spec import UNKNOWN, Spec, configured, fails, passes, resource, setting, unseen

WHERE = "validityPeriodHours"


def certificate(days, **properties):
    return resource(
        "tls:index/locallySignedCert:LocallySignedCert", "server", {WHERE: days * 24, **properties}
    )


def authority(days):
    return resource(
        "tls:index/selfSignedCert:SelfSignedCert",
        "authority",
        {WHERE: days * 24, "isCaCertificate": True},
    )


SPEC = Spec(
    passes={
        "a year": passes(certificate(365)),
        "an authority's ten": passes(authority(3650)),
    },
    fails={
        "two years": fails(certificate(730), at=("server", WHERE)),
        "no time": fails(certificate(0), at=("server", WHERE)),
        "an authority's twenty": fails(authority(7300), at=("authority", WHERE)),
        "one that is nobody's": fails(
            resource("tls:index/selfSignedCert:SelfSignedCert", "server", {WHERE: 87600}),
            at=("server", WHERE),
        ),
    },
    unknown={
        "how long": unseen(
            resource("tls:index/selfSignedCert:SelfSignedCert", "server", {WHERE: UNKNOWN}),
            at=("server", WHERE),
        ),
        "whose": unseen(
            certificate(730, isCaCertificate=UNKNOWN), at=("server", "isCaCertificate")
        ),
    },
    overridden={
        "three months": configured(
            {"maximum_days": 90}, fails(certificate(365), at=("server", WHERE))
        ),
        "an authority's year": configured(
            {"maximum_authority_days": 365}, fails(authority(3650), at=("authority", WHERE))
        ),
    },
    not_applicable={"no certificate": passes(resource("tls:index/privateKey:PrivateKey", "key"))},
    mutations={
        "two years": setting("production", certificates={"validity_days": 730}),
        "an authority's twenty": setting("local", certificates={"authority_validity_days": 7300}),
    },
)
