"""Spec of any-passwords-long."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen


def password(length, **properties):
    return resource(
        "random:index/randomPassword:RandomPassword", "password", {"length": length, **properties}
    )


SPEC = Spec(
    passes={
        "long": passes(password(32, special=False)),
        "shorter, of more letters": passes(password(21)),
    },
    fails={
        "short": fails(password(16), at=("password", "length")),
        "of digits": fails(
            password(32, special=False, upper=False, lower=False), at=("password", "length")
        ),
        "with two that are special": fails(
            password(21, overrideSpecial="!?"), at=("password", "length")
        ),
    },
    unknown={
        "how long": unseen(password(UNKNOWN), at=("password", "length")),
        "of what": unseen(password(32, special=UNKNOWN), at=("password", "special")),
    },
    overridden={
        "longer": configured({"minimum_bits": 256}, fails(password(32), at=("password", "length"))),
        "shorter": configured({"minimum_bits": 64}, passes(password(16))),
    },
    not_applicable={"no password": passes(resource("random:index/randomId:RandomId", "password"))},
    mutations={
        "half as long": edit("production", "components/passwords.py", "LENGTH = 32", "LENGTH = 16")
    },
)
