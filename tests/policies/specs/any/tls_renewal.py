"""Spec of any-tls-renewal."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen

WHERE = "earlyRenewalHours"


def certificate(days, of=365):
    return resource(
        "tls:index/locallySignedCert:LocallySignedCert",
        "server",
        {WHERE: days and days * 24, "validityPeriodHours": of * 24},
    )


SPEC = Spec(
    passes={"a month before": passes(certificate(30))},
    fails={
        "the day before": fails(certificate(1), at=("server", WHERE)),
        "nothing is said": fails(certificate(None), at=("server", WHERE)),
        "at once": fails(certificate(30, of=30), at=("server", WHERE)),
    },
    unknown={
        "when": unseen(
            resource("tls:index/selfSignedCert:SelfSignedCert", "server", {WHERE: UNKNOWN}),
            at=("server", WHERE),
        )
    },
    overridden={
        "two months before": configured(
            {"minimum_days": 60}, fails(certificate(30), at=("server", WHERE))
        ),
        "a day before": configured({"minimum_days": 1}, passes(certificate(1))),
    },
    not_applicable={"no certificate": passes(resource("tls:index/privateKey:PrivateKey", "key"))},
    mutations={
        "a week before": setting("production", certificates={"renew_before_days": 7}),
        "the authority never": edit(
            "local",
            "components/certificate_authority.py",
            "early_renewal_hours=(args.settings.validity_days + args.settings.renew_before_days)\n"
            "            * HOURS_A_DAY,",
            "early_renewal_hours=0,",
        ),
    },
)
