"""Spec of any-tls-keys-strong."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen


def key(algorithm, **properties):
    return resource(
        "tls:index/privateKey:PrivateKey", "key", {"algorithm": algorithm, **properties}
    )


SPEC = Spec(
    passes={
        "a curve": passes(key("ECDSA", ecdsaCurve="P256")),
        "a stronger one": passes(key("ECDSA", ecdsaCurve="P384")),
        "another kind": passes(key("ED25519")),
        "a long one": passes(key("RSA", rsaBits=4096)),
    },
    fails={
        "a weak curve": fails(key("ECDSA", ecdsaCurve="P224"), at=("key", "ecdsaCurve")),
        "the provider's own curve": fails(key("ECDSA"), at=("key", "ecdsaCurve")),
        "a short one": fails(key("RSA", rsaBits=2048), at=("key", "rsaBits")),
        "the provider's own length": fails(key("RSA"), at=("key", "rsaBits")),
        "something else": fails(key("DSA"), at=("key", "algorithm")),
    },
    unknown={
        "the kind": unseen(key(UNKNOWN), at=("key", "algorithm")),
        "the curve": unseen(key("ECDSA", ecdsaCurve=UNKNOWN), at=("key", "ecdsaCurve")),
    },
    overridden={
        "for those who know no longer one": configured(
            {"minimum_rsa_bits": 2048}, passes(key("RSA"))
        ),
        "a longer one": configured(
            {"minimum_rsa_bits": 4096}, fails(key("RSA", rsaBits=3072), at=("key", "rsaBits"))
        ),
    },
    not_applicable={"no key": passes(resource("random:index/randomId:RandomId", "key", {}))},
    mutations={
        "a weak curve": edit(
            "production", "components/certificate_authority.py", 'CURVE = "P256"', 'CURVE = "P224"'
        )
    },
)
