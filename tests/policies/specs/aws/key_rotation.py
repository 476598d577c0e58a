"""Spec of aws-key-rotation."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

KEY = "aws:kms/key:Key"


def key(**properties):
    return resource(KEY, "vault-key", properties)


SPEC = Spec(
    passes={
        "it rotates": passes(key(enableKeyRotation=True)),
        "it rotates often": passes(key(enableKeyRotation=True, rotationPeriodInDays=90)),
    },
    fails={
        "it does not": fails(key(enableKeyRotation=False), at=("vault-key", "enableKeyRotation")),
        "nothing is said": fails(key(), at=("vault-key", "enableKeyRotation")),
        "it rotates too seldom": fails(
            key(enableKeyRotation=True, rotationPeriodInDays=730),
            at=("vault-key", "rotationPeriodInDays"),
        ),
    },
    unknown={
        "whether it rotates": unseen(
            key(enableKeyRotation=UNKNOWN), at=("vault-key", "enableKeyRotation")
        ),
        "how often": unseen(
            key(enableKeyRotation=True, rotationPeriodInDays=UNKNOWN),
            at=("vault-key", "rotationPeriodInDays"),
        ),
    },
    overridden={
        "a longer cryptoperiod": configured(
            {"maximum_days": 800}, passes(key(enableKeyRotation=True, rotationPeriodInDays=730))
        ),
        "a shorter one": configured(
            {"maximum_days": 90},
            fails(key(enableKeyRotation=True), at=("vault-key", "rotationPeriodInDays")),
        ),
    },
    not_applicable={
        "KMS does not rotate keys that sign": passes(key(customerMasterKeySpec="ECC_NIST_P256")),
        "no key": passes(resource("aws:kms/alias:Alias", "vault-key", {})),
    },
    mutations={
        "it does not": edit(
            "production",
            "components/aws/key.py",
            "enable_key_rotation=True",
            "enable_key_rotation=False",
        ),
        "every other year": edit(
            "production", "components/aws/key.py", "ROTATION_DAYS = 365", "ROTATION_DAYS = 730"
        ),
    },
)
